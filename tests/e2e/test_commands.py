# SPDX-License-Identifier: Apache-2.0
"""The commands that people give while a rollout is under way, with users there and with the controller killed."""
import os
import signal

from daemon import alive, wait_until
from load import Client, Wrk


def kill_controller(daemon):
    old = daemon.pid("controller")
    os.kill(old, signal.SIGKILL)
    wait_until(lambda: not alive(old), "the controller is gone")
    wait_until(lambda: daemon.pid("controller") != old, "another controller runs")


def test_a_lock_refuses_deploys_across_restarts_and_leaves_the_way_back_open(daemon):
    daemon.do("deploy", "web", "v2")
    daemon.release("v3")
    assert "web is locked" in daemon.do("lock", "web", "incident 42")
    for again in (lambda: kill_controller(daemon), lambda: (daemon.stop(), daemon.start())):
        again()
        refused = daemon.run("deploy", "web", "v3")
        assert refused.returncode == 3
        assert "locked by root since 20" in refused.stderr and "incident 42" in refused.stderr
    assert "locked" in daemon.do("status") and "incident 42" in daemon.do("status", "web")
    assert "incident 42" in daemon.do("why", "web")
    daemon.do("rollback", "web")
    assert daemon.live() == "v1"
    daemon.do("unlock", "web")
    daemon.do("deploy", "web", "v3")
    kinds = [event["kind"] for event in daemon.json("events", "web", "-n", "200")]
    assert kinds.count("lock") == kinds.count("unlock") == 1


def begin(daemon, version, **switches):
    """A deployment of `version` that bakes for a minute, in its bake."""
    daemon.services["web"]["deploy"]["bake"] = "60s"
    daemon.configure()
    daemon.do("apply")
    daemon.release(version, **switches)
    daemon.do("deploy", "web", version, "--no-wait")
    return wait_until(lambda: baking(daemon), "it bakes")


def baking(daemon):
    rollout = daemon.service()["rollout"]
    return rollout if rollout and rollout["steps"][rollout["step"]]["kind"] == "bake" else None


def test_a_paused_rollout_stands_still_when_its_controller_is_killed_and_goes_on_when_told_to(daemon):
    with Wrk(daemon.port) as wrk, Client(daemon.port) as client:
        paused = begin(daemon, "v5")
        assert "its clock stands still" in daemon.do("pause", "web")
        for _ in range(2):
            kill_controller(daemon)
            rollout = daemon.service()["rollout"]
            assert rollout["paused"]["actor"] == "root" and rollout["id"] == paused["id"]
        assert "paused" in daemon.do("status") and "paused by root" in daemon.do("status", "web")
        assert "bascule resume web" in daemon.do("why", "web")
        assert "goes on" in daemon.do("resume", "web")
        assert "skipped: watch" in daemon.do("promote", "web")
        assert daemon.settled()["status"] == "promoted" and daemon.live() == "v5"
    assert client.failed() == [] and wrk.failed == 0, wrk.output


def test_a_pause_before_the_switch_holds_the_traffic_and_abort_wins_over_it(daemon):
    daemon.release("late", start_delay=1)
    with Wrk(daemon.port) as wrk, Client(daemon.port) as client:
        daemon.do("deploy", "web", "late", "--no-wait")
        assert "the next one is not begun" in daemon.do("pause", "web")
        held = wait_until(lambda: "paused before step" in daemon.service()["rollout"]["waiting"], "it is held")
        assert held and daemon.live() == "v1"
        refused = daemon.run("deploy", "web", "v2")
        assert refused.returncode == 3 and "v2 --supersede' takes late back first" in refused.stderr
        assert "abort and rollback win over everything" in daemon.do("abort", "web")
        assert daemon.settled()["status"] == "cancelled"
        assert daemon.json("retry", "web")["status"] == "promoted"
        assert daemon.live() == "late"
    assert client.failed() == [] and wrk.failed == 0, wrk.output


def test_a_newer_version_supersedes_one_in_its_bake_and_nobody_notices(daemon):
    with Wrk(daemon.port) as wrk, Client(daemon.port) as client:
        old = begin(daemon, "v5")
        daemon.services["web"]["deploy"]["bake"] = "0s"
        daemon.configure()
        daemon.do("apply")
        said = daemon.do("deploy", "web", "v2", "--supersede")
        assert f"begins when {old['id']} is taken back" in said and "v2 is live" in said
        assert daemon.live() == "v2"
    assert client.failed() == [] and wrk.failed == 0, wrk.output
    assert {record["version"]: record["status"] for record in daemon.records()} == {
        "v1": "replaced", "v5": "replaced", "v2": "live"}
