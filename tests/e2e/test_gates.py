# SPDX-License-Identifier: Apache-2.0
"""Gates and hooks as users meet them: commands that try a version out, people who approve it, and what runs around."""
import os
import signal

import pytest
from daemon import alive, wait_until
from load import Client


def configure(daemon, gates=(), hooks=None, **deploy):
    web = daemon.services["web"]
    web["deploy"].update(deploy, gates=list(gates))
    web["hooks"] = hooks or {}
    daemon.configure()
    daemon.do("apply")


def script(daemon, name, text):
    path = daemon.folder / name
    path.write_text(text)
    return ["/bin/sh", str(path)]


def kinds(daemon):
    return [event["kind"] for event in daemon.json("events", "web", "-n", "300")]


def at_gate(daemon, word):
    def waits():
        rollout = daemon.service()["rollout"]
        return rollout if rollout and word in rollout["waiting"] else None
    return wait_until(waits, f"it is at a gate: {word}")


def test_a_smoke_test_that_fails_leaves_the_live_version_alone_and_shows_what_it_said(daemon):
    smoke = script(daemon, "smoke.sh", 'echo "$SERVICE $VERSION $SLOT $ADDRESS of $ADDRESSES"\n'
                                       'echo "the checkout is broken"; test "$VERSION" != v2\n')
    configure(daemon, [{"name": "checkout", "smoke": smoke}])
    with Client(daemon.port) as client:
        failed = daemon.run("deploy", "web", "v2")
        assert failed.returncode == 1 and "the checkout is broken" in failed.stdout + failed.stderr
        assert daemon.live() == "v1"
        last = daemon.service()["last_rollout"]
        assert last["status"] == "failed" and "the gate 'checkout' failed: exited with status 1" in last["reason"]
        said = last["reason"].splitlines()[-2].split()
        assert said[:3] == ["web", "v2", "blue"] and said[3] in said[5:] and len(said[5:]) == 2
        assert "the checkout is broken" in daemon.do("why", "web")
        assert not any(step["kind"] == "split" and step["state"] == "done" for step in last["steps"])
        daemon.release("v3")
        daemon.do("deploy", "web", "v3")
    assert daemon.live() == "v3" and client.failed() == []
    passed = [event for event in daemon.json("events", "web", "-n", "300") if event["kind"] == "gate"]
    assert "the gate 'checkout' passed" in passed[0]["text"] and "v3" in passed[0]["text"]


def test_an_approval_is_waited_for_with_its_name_and_recorded_with_who_gave_it(daemon):
    configure(daemon, [{"approval": "Marketing likes it", "timeout": "200ms"}])
    assert "no rollout" in daemon.run("approve", "web").stderr
    daemon.do("deploy", "web", "v2", "--no-wait")
    at_gate(daemon, "longer than 200ms")  # it is held, not taken back
    assert daemon.live() == "v1" and "Marketing likes it" in daemon.do("status", "web")
    assert "bascule approve web" in daemon.do("why", "web")
    assert "is approved" in daemon.do("approve", "web", "--comment", "seen on Monday")
    assert daemon.settled()["status"] == "promoted" and daemon.live() == "v2"
    approved = [event for event in daemon.json("events", "web", "-n", "300") if event["kind"] == "approved"]
    assert [(event["actor"], event["text"]) for event in approved] == [("root", "'Marketing likes it': seen on Monday")]


def test_an_approval_outlives_controllers_that_are_killed_and_is_asked_for_once(daemon):
    configure(daemon, [{"approval": "Marketing likes it"}], bake="1s", analysis={"enabled": False})
    with Client(daemon.port) as client:
        daemon.do("deploy", "web", "v2", "--no-wait")
        for _ in range(2):
            at_gate(daemon, "Marketing likes it")
            old = daemon.pid("controller")
            os.kill(old, signal.SIGKILL)
            wait_until(lambda: daemon.pid("controller") != old, "another controller runs")
        at_gate(daemon, "Marketing likes it")
        assert daemon.live() == "v1"
        assert "is approved" in daemon.do("approve", "web")
        old = daemon.pid("controller")
        os.kill(old, signal.SIGKILL)  # in its bake
        wait_until(lambda: daemon.pid("controller") != old, "another controller runs")
        assert daemon.settled()["status"] == "promoted" and daemon.live() == "v2"
    assert kinds(daemon).count("approved") == 1 and client.failed() == []


def test_a_version_that_is_rejected_or_not_approved_in_time_is_taken_back(daemon):
    configure(daemon, [{"approval": "the logo", "on_timeout": "abort", "timeout": "30s"}])
    daemon.do("deploy", "web", "v2", "--no-wait")
    at_gate(daemon, "approval")
    daemon.do("reject", "web", "--comment", "it is green")
    last = daemon.settled()
    assert last["status"] == "failed" and last["reason"] == "'the logo' was rejected by root: it is green"
    configure(daemon, [{"approval": "the logo", "on_timeout": "abort", "timeout": "300ms"}])
    assert daemon.run("deploy", "web", "v2").returncode == 1
    assert "nobody approved 'the logo' within 300ms" in daemon.service()["last_rollout"]["reason"]
    assert daemon.live() == "v1"


def test_a_smoke_test_outlives_a_killed_controller_and_runs_once(daemon):
    smoke = script(daemon, "smoke.sh", f'echo run >>{daemon.folder}/runs\n'
                                       f'until test -e {daemon.folder}/go; do sleep 0.05; done\n')
    configure(daemon, [{"smoke": smoke}])
    daemon.do("deploy", "web", "v2", "--no-wait")
    at_gate(daemon, "the gate 'smoke' runs")
    wait_until((daemon.folder / "runs").exists, "it began")
    controller = daemon.pid("controller")
    os.kill(controller, signal.SIGKILL)
    wait_until(lambda: not alive(controller), "the controller is gone")
    (daemon.folder / "go").touch()  # it ends while nobody watches, or not: both must do
    wait_until(lambda: daemon.pid("controller") != controller, "another controller runs")
    assert daemon.settled()["status"] == "promoted" and daemon.live() == "v2"
    assert (daemon.folder / "runs").read_text() == "run\n"


def test_an_abort_does_not_wait_for_a_gate_that_hangs_and_tells_that_it_went_back(daemon):
    hang = script(daemon, "hang.sh", f'echo $$ >{daemon.folder}/pid; exec sleep 600\n')
    tell = script(daemon, "tell.sh", f'echo "back from $VERSION" >>{daemon.folder}/told; exit 3\n')
    configure(daemon, [{"smoke": hang}], hooks={"on_rollback": tell})
    daemon.do("deploy", "web", "v2", "--no-wait")
    at_gate(daemon, "runs")
    pid = int(wait_until(lambda: (daemon.folder / "pid").exists() and (daemon.folder / "pid").read_text(), "it began"))
    daemon.do("abort", "web")
    last = daemon.settled()
    assert last["status"] == "cancelled" and daemon.live() == "v1"
    wait_until(lambda: not alive(pid), "it is gone")
    assert (daemon.folder / "told").read_text() == "back from v2\n"
    assert "the on_rollback hook failed: exited with status 3" in last["reason"]
    configure(daemon, hooks={"on_rollback": tell})
    daemon.do("deploy", "web", "v2")
    daemon.do("rollback", "web")
    wait_until(lambda: (daemon.folder / "told").read_text() == "back from v2\n" * 2, "the rollback is told")


def test_what_runs_once_for_a_release_is_left_out_when_that_is_tried_again(daemon):
    count = script(daemon, "count.sh", f'echo "$1" >>{daemon.folder}/runs\n')
    failing = script(daemon, "failing.sh", f'test -e {daemon.folder}/good\n')
    configure(daemon, [{"smoke": [*count, "gate"], "once": True}, {"smoke": failing}],
              hooks={"pre_deploy": {"command": [*count, "pre"], "once": True}, "post_switch": [*count, "switched"]})
    assert daemon.run("deploy", "web", "v2").returncode == 1
    (daemon.folder / "good").touch()
    assert daemon.json("retry", "web")["status"] == "promoted"
    assert (daemon.folder / "runs").read_text().split() == ["pre", "gate", "switched"]
    assert kinds(daemon).count("once") == 2


@pytest.mark.parametrize("gate,reason", [
    ({"probe": {"path": "/x", "status": "404", "count": 1, "interval": "50ms"}}, "the gate 'probe-2' failed: web-blue"),
    ({"load": "scenario.yaml", "name": "crowd"}, "the gate 'crowd' failed: exited with status 1"),
])
def test_requests_to_the_new_version_decide_before_its_first_user(daemon, gate, reason):
    (daemon.folder / "scenario.yaml").write_text(
        "rate: 50/s\nduration: 300ms\nrequests:\n- path: /x\n  expect: 404\nthresholds:\n  errors: < 1%\n")
    configure(daemon, [{"probe": {"path": "/health", "count": 2, "interval": "50ms"}}, gate])
    assert daemon.run("deploy", "web", "v2").returncode == 1
    assert reason in daemon.service()["last_rollout"]["reason"] and daemon.live() == "v1"


def ask(daemon, **more):
    """A gate that asks how much is left; a file says it."""
    command = script(daemon, "left.sh", f'echo "$VERSION" >>{daemon.folder}/asked; cat {daemon.folder}/left\n')
    return {"name": "budget", "query": {"command": command, "accept": "> 0", "interval": "100ms", **more}}


def test_what_a_command_says_of_a_version_is_asked_before_its_first_user(daemon):
    configure(daemon, [ask(daemon, failure_limit=2)])
    (daemon.folder / "left").write_text("0\n")
    assert daemon.run("deploy", "web", "v2").returncode == 1
    last = daemon.service()["last_rollout"]
    assert last["status"] == "failed" and daemon.live() == "v1"
    assert last["reason"] == "the gate 'budget' failed: 0 is not > 0, 2 of 2 failures"
    assert (daemon.folder / "asked").read_text() == "v2\nv2\n"


def test_a_gate_that_asks_begins_again_with_a_new_controller(daemon):
    configure(daemon, [ask(daemon, count=3)])
    daemon.do("deploy", "web", "v2", "--no-wait")
    at_gate(daemon, "the gate 'budget' asks: ")  # there is no number, so it waits for one
    wait_until((daemon.folder / "asked").exists, "it was asked")
    controller = daemon.pid("controller")
    os.kill(controller, signal.SIGKILL)
    wait_until(lambda: daemon.pid("controller") not in (None, controller), "another controller runs")
    at_gate(daemon, "0 of 3 passed")
    (daemon.folder / "left").write_text("4\n")
    assert daemon.settled()["status"] == "promoted" and daemon.live() == "v2"
    passed = [event["text"] for event in daemon.json("events", "web", "-n", "300") if event["kind"] == "gate"]
    assert passed == ["the gate 'budget' passed: 4 is > 0, 3 of 3 passed"]
