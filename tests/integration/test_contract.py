# SPDX-License-Identifier: Apache-2.0
"""The deployer's contract against the running daemon: the sixteen names that tests/unit/lib/test_deployer.c
holds against the library, by the command line, with targets that something else runs.

Where the daemon's form differs: `deploy --stage` checks, too, so what it stages has passed; a command that is
accepted ends as its rollout ends (exit 1 when that failed, with the error's name and words); a proxy that is not
there or hangs does not answer in time (`timeout`; `switch-failed` is one that refuses, see
tests/unit/engine/test_engine.c); commands wait for nobody, but a rollback overtakes a rollout.
"""
import os
import re
import signal

import pytest

from contract_daemon import Daemon
from daemon import wait_until


@pytest.fixture
def start(tmp_path):
    running = []

    def begin(**options):
        running.append(Daemon(tmp_path, **options))
        return running[0]
    yield begin
    for daemon in running:
        daemon.stop()


@pytest.fixture
def daemon(start):
    return start()


def test_initial_state(daemon):
    daemon.assert_live("blue")
    assert daemon.states() == ("live", "idle")
    assert daemon.versions() == (None, None)
    assert daemon.records() == []
    status = daemon.does("status")
    assert status["processes"].keys() >= {"supervisor", "controller", "proxy"}
    assert all(isinstance(pid, int) and pid > 1 for pid in status["processes"].values())
    (web,) = status["services"]
    assert web.keys() >= {"name", "live", "slots", "traffic", "rollout"}
    assert (web["name"], web["traffic"], web["rollout"]) == ("web", "serve", None)
    assert web["slots"].keys() == {"blue", "green"}
    for slot in web["slots"].values():
        assert slot.keys() >= {"state", "version", "weight_bp", "instances"}
    assert web["slots"]["green"]["instances"] == []
    for instance in web["slots"]["blue"]["instances"]:
        assert instance.keys() >= {"id", "pid", "address", "health"}
        assert instance["pid"] is None
    assert [one["address"] for one in web["slots"]["blue"]["instances"]] == [one.address for one in daemon.blue]


def test_deploy_to_staging(daemon):
    rollout = daemon.does("deploy", "web", "v1", "--stage")
    assert rollout.keys() >= {"id", "strategy", "version", "status", "step", "steps", "reason"}
    assert (rollout["status"], rollout["slot"], rollout["version"]) == ("staged", "green", "v1")
    assert all(step.keys() >= {"kind", "state"} for step in rollout["steps"])
    assert daemon.states() == ("live", "ready")
    daemon.assert_live("blue")
    # over a ready environment
    daemon.does("deploy", "web", "v2", "--stage")
    assert daemon.history() == [("green", "v1", "replaced"), ("green", "v2", "ready")]
    # over a failed one
    daemon.health("green", "fail")
    assert daemon.run("check", "web").exit == 1
    assert daemon.states() == ("live", "failed")
    daemon.health("green", "pass")
    daemon.does("deploy", "web", "v3", "--stage")
    assert daemon.states() == ("live", "ready")
    # over one on standby
    daemon.does("switch", "web")
    assert daemon.states() == ("standby", "live")
    daemon.does("deploy", "web", "v4", "--stage")
    assert daemon.states() == ("ready", "live")
    assert daemon.versions() == ("v4", "v3")
    daemon.assert_live("green")


def test_health_check(daemon):
    daemon.does("deploy", "web", "v1", "--stage")
    result = daemon.does("check", "web")
    assert (result["healthy"], result["passed"], result["failed"]) == (True, 2, 0)
    assert isinstance(result["duration_ms"], int)
    for one in result["checks"]:
        assert one.keys() >= {"instance", "passed", "detail"}
        assert one["passed"] is True and one["detail"].startswith("200 ")
    daemon.health("green", "pass", "fail")
    answer = daemon.run("check", "web")
    assert (answer.exit, answer.refusal) == (1, "health-check-failed")
    assert (answer.json["healthy"], answer.json["passed"], answer.json["failed"]) == (False, 1, 1)
    assert [one["passed"] for one in answer.json["checks"]] == [True, False]
    assert "503" in answer.json["checks"][1]["detail"]


def test_health_check_required(daemon):
    daemon.health("green", "fail", "pass")
    failed = daemon.run("deploy", "web", "v1", "--stage")
    assert failed.exit == 1
    assert (failed.json["status"], failed.json["error"]) == ("failed", "health-check-failed")
    assert (failed.json["passed"], failed.json["total"]) == (1, 2)
    assert daemon.web()["last_rollout"] == failed.json
    assert daemon.states() == ("live", "failed")
    daemon.assert_live("blue")
    (record,) = daemon.records()
    assert (record["status"], record["error"]) == ("failed", "health-check-failed")
    assert record["reason"] == failed.json["reason"]
    (ended,) = [event for event in daemon.does("events", "web") if event["kind"] == "failed"]
    assert (ended["rollout"], ended["error"]) == (failed.json["id"], "health-check-failed")
    daemon.refuses("invalid-state", 1, "switch", "web")
    # One that passed before does not count once a later one failed.
    daemon.health("green", "pass")
    daemon.does("deploy", "web", "v2", "--stage")
    daemon.health("green", "fail")
    assert daemon.run("check", "web").refusal == "health-check-failed"
    assert daemon.states() == ("live", "failed")
    assert daemon.history() == [("green", "v1", "failed"), ("green", "v2", "failed")]
    assert {record["error"] for record in daemon.records()} == {"health-check-failed"}
    daemon.refuses("invalid-state", 1, "switch", "web")
    daemon.assert_live("blue")


def test_switch_after_deploy(daemon):
    daemon.does("deploy", "web", "v1", "--stage")
    rollout = daemon.does("switch", "web")
    assert rollout["status"] == "promoted"
    daemon.assert_live("green")
    assert daemon.states() == ("standby", "live")
    assert [one["health"] for one in daemon.web()["slots"]["blue"]["instances"]] == ["healthy"] * 2


def test_switch_without_deploy_fails(daemon):
    daemon.refuses("invalid-state", 1, "switch", "web")
    daemon.assert_live("blue")


def assert_switch_undone(daemon, failed, error):
    """Live unchanged, what was to be live failed, stopped and recorded, and no second try without a deployment."""
    assert (failed.exit, failed.json["status"], failed.json["error"]) == (1, "rolled-back", error)
    daemon.assert_live("blue")
    assert daemon.states() == ("live", "failed")
    (record,) = daemon.records()
    assert (record["version"], record["status"], record["error"]) == ("v1", "rolled-back", error)
    assert record["reason"] == failed.json["reason"]
    wait_until(lambda: daemon.web()["slots"]["green"]["instances"] == [], "green is stopped")
    daemon.refuses("invalid-state", 1, "switch", "web")


def test_switch_failed(start):
    """There is no proxy that could be told, and the supervisor makes none until it goes on."""
    daemon = start(switch_timeout="200ms")
    daemon.does("deploy", "web", "v1", "--stage")
    processes = daemon.does("status")["processes"]
    os.kill(processes["supervisor"], signal.SIGSTOP)
    try:
        os.kill(processes["proxy"], signal.SIGKILL)
        switching = daemon.begin("switch", "web")
        wait_until(lambda: (daemon.web()["rollout"] or {}).get("status") == "undoing", "the switch fails")
        assert daemon.web()["live"] == "blue"
        assert [one["status"] for one in daemon.records()] != ["live"]
    finally:
        os.kill(processes["supervisor"], signal.SIGCONT)
    failed = daemon.end(switching)
    assert "the proxy has not acknowledged" in failed.json["reason"]
    assert_switch_undone(daemon, failed, "timeout")


def test_switch_failed_in_the_bake(start):
    """The switch does not hold: what it leads to is ill before the bake is over."""
    daemon = start(bake="10s")
    daemon.does("deploy", "web", "v1", "--stage")
    switching = daemon.begin("switch", "web")
    wait_until(lambda: daemon.served_by() == "green", "the traffic moves")
    daemon.health("green", "fail")
    failed = daemon.end(switching)
    assert failed.json["passed"] < failed.json["total"] == 2
    assert_switch_undone(daemon, failed, "health-check-failed")


def test_switch_timeout(start):
    """The proxy hangs: the time limit is over before the supervisor replaces it, which takes 2 s."""
    daemon = start(switch_timeout="300ms")
    daemon.does("deploy", "web", "v1", "--stage")
    proxy = daemon.does("status")["processes"]["proxy"]
    os.kill(proxy, signal.SIGSTOP)
    failed = daemon.run("switch", "web")
    wait_until(lambda: daemon.does("status")["processes"]["proxy"] not in (proxy, None), "the proxy is replaced")
    assert_switch_undone(daemon, failed, "timeout")
    daemon.does("deploy", "web", "v2")
    daemon.assert_live("green")


def test_cannot_deploy_while_busy(start):
    daemon = start(deadline="20s")
    daemon.health("green", "hang")
    deploying = daemon.begin("deploy", "web", "v1")
    wait_until(lambda: daemon.states() == ("live", "deploying"), "green is deploying")
    wait_until(lambda: ("check", "running") in [(step["kind"], step["state"]) for step in
                                              daemon.web()["rollout"]["steps"]], "it is being checked")
    for words in (("deploy", "web", "v2"), ("deploy", "web", "v2", "--stage"), ("switch", "web"), ("check", "web"),
                  ("cleanup", "web")):
        answer = daemon.refuses("environment-busy", 3, *words)
        assert "green" in answer.json["detail"]
    daemon.assert_live("blue")
    daemon.health("green", "pass")
    assert daemon.end(deploying).exit == 0
    daemon.assert_live("green")
    assert daemon.history() == [("green", "v1", "live")]


def test_deploy_and_switch(daemon):
    rollout = daemon.does("deploy", "web", "v1")
    assert rollout["status"] == "promoted"
    daemon.assert_live("green")
    daemon.health("blue", "pass", "fail")
    failed = daemon.run("deploy", "web", "v2")
    assert (failed.exit, failed.json["status"], failed.json["error"]) == (1, "failed", "health-check-failed")
    assert (failed.json["passed"], failed.json["total"]) == (1, 2)
    daemon.assert_live("green")
    assert daemon.states() == ("failed", "live")
    assert daemon.versions()[1] == "v1"
    assert daemon.history() == [("green", "v1", "live"), ("blue", "v2", "failed")]


def test_double_switch(daemon):
    daemon.does("deploy", "web", "v1")
    daemon.refuses("invalid-state", 1, "switch", "web")
    daemon.does("deploy", "web", "v2")
    daemon.assert_live("blue")
    assert daemon.states() == ("live", "standby")
    assert daemon.versions() == ("v2", "v1")
    daemon.refuses("invalid-state", 1, "switch", "web")


def test_rollback(daemon):
    daemon.does("deploy", "web", "v1")
    daemon.does("rollback", "web")  # blue *was* live
    daemon.assert_live("blue")
    assert daemon.states() == ("live", "standby")
    daemon.does("deploy", "web", "v2")
    daemon.does("deploy", "web", "v3")
    rollout = daemon.does("rollback", "web")
    assert rollout["kind"] == "rollback"  # at once: nothing is started, nothing waits for checks
    assert {step["kind"] for step in rollout["steps"]} == {"split", "commit", "drain"}
    daemon.assert_live("green")
    assert daemon.states() == ("standby", "live")
    assert daemon.versions() == ("v3", "v2")


def test_rollback_no_previous(daemon):
    daemon.refuses("rollback-failed", 1, "rollback", "web")  # no switch yet, green is idle
    daemon.does("deploy", "web", "v1", "--stage")
    daemon.refuses("rollback-failed", 1, "rollback", "web")  # merely ready
    daemon.health("green", "fail")
    assert daemon.run("check", "web").exit == 1
    daemon.refuses("rollback-failed", 1, "rollback", "web")  # failed
    daemon.health("green", "pass")
    daemon.does("deploy", "web", "v2")
    daemon.does("cleanup", "web")
    daemon.refuses("rollback-failed", 1, "rollback", "web")  # idle after a switch
    daemon.does("deploy", "web", "v3", "--stage")
    daemon.refuses("rollback-failed", 1, "rollback", "web")  # merely ready after a switch
    daemon.assert_live("green")


def test_history_tracking(daemon):
    time = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
    daemon.does("deploy", "web", "v1", "--stage")
    (staged,) = daemon.records()
    assert staged.keys() == {"id", "environment", "version", "status", "deployed_at", "switched_at",
                             "rolled_back_at", "reason", "error"}
    assert (staged["environment"], staged["version"], staged["status"]) == ("green", "v1", "ready")
    assert time.fullmatch(staged["deployed_at"])
    assert {staged[key] for key in ("switched_at", "rolled_back_at", "reason", "error")} == {None}
    daemon.does("switch", "web")
    (live,) = daemon.records()
    assert live["status"] == "live" and time.fullmatch(live["switched_at"])
    assert {**live, "status": "ready", "switched_at": None} == staged  # the same record
    daemon.does("deploy", "web", "v2")
    assert daemon.history() == [("green", "v1", "replaced"), ("blue", "v2", "live")]
    daemon.does("rollback", "web")
    assert daemon.history() == [("green", "v1", "replaced"), ("blue", "v2", "rolled-back"), ("green", "v1", "live")]
    first, undone, back = daemon.records()
    assert first["rolled_back_at"] is None
    assert time.fullmatch(undone["rolled_back_at"]) and undone["rolled_back_at"] == back["switched_at"]
    assert len({one["id"] for one in (first, undone, back)}) == 3
    daemon.health("blue", "fail")
    assert daemon.run("deploy", "web", "v3").exit == 1
    assert daemon.history()[2:] == [("green", "v1", "live"), ("blue", "v3", "failed")]
    assert [one["error"] for one in daemon.records()] == [None, None, None, "health-check-failed"]


def test_cleanup_staging(start):
    daemon = start(deadline="20s")
    daemon.does("deploy", "web", "v1")
    daemon.health("blue", "hang")
    deploying = daemon.begin("deploy", "web", "v2", "--stage")
    wait_until(lambda: daemon.states() == ("deploying", "live"), "blue is deploying")
    answer = daemon.run("cleanup", "web")
    assert (answer.exit, answer.refusal) == (3, "environment-busy")
    daemon.health("blue", "pass")
    assert daemon.end(deploying).exit == 0
    daemon.does("cleanup", "web")
    assert daemon.states() == ("idle", "live")
    wait_until(lambda: daemon.web()["slots"]["blue"]["instances"] == [], "blue is empty")
    assert daemon.versions() == (None, "v1")
    assert daemon.history() == [("green", "v1", "live"), ("blue", "v2", "replaced")]
    daemon.refuses("rollback-failed", 1, "rollback", "web")
    # A standby is given up the same way.
    daemon.does("deploy", "web", "v3")
    assert daemon.states() == ("live", "standby")
    daemon.does("cleanup", "web")
    assert daemon.states() == ("live", "idle")
    daemon.refuses("rollback-failed", 1, "rollback", "web")
    daemon.assert_live("blue")


def test_concurrent_safety(start):
    daemon = start(deadline="20s")
    daemon.health("green", "hang")  # the winner takes until all the others have their answer
    callers = [daemon.begin("deploy", "web", f"v{i}") for i in range(8)]
    wait_until(lambda: sum(one.poll() is not None for one in callers) == len(callers) - 1, "all but one are refused")
    assert daemon.states() == ("live", "deploying")
    daemon.health("green", "pass")
    answers = [daemon.end(one) for one in callers]
    assert sorted(answer.exit for answer in answers) == [0] + [3] * 7
    assert {answer.refusal for answer in answers if answer.exit} == {"environment-busy"}
    (winner,) = [answer.json["version"] for answer in answers if not answer.exit]
    daemon.assert_live("green")
    assert daemon.history() == [("green", winner, "live")]
    # All sorts of commands at once: whatever they answer, one is live at any time.
    words = (("deploy", "web", "w1"), ("rollback", "web"), ("deploy", "web", "w2", "--stage"), ("switch", "web"))
    callers = [daemon.begin(*words[i % len(words)]) for i in range(12)]
    while any(one.poll() is None for one in callers):
        assert daemon.states().count("live") == 1
        assert [one["status"] for one in daemon.records()].count("live") <= 1
    assert {daemon.end(one).exit for one in callers} <= {0, 1, 3}
    wait_until(lambda: daemon.web()["rollout"] is None, "all is quiet")
    daemon.assert_live(daemon.web()["live"])
