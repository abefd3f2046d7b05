# SPDX-License-Identifier: Apache-2.0
"""The commands that people give while a rollout is under way, with users there and with the controller killed."""
import os
import signal

from daemon import alive, wait_until


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
