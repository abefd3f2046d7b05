# SPDX-License-Identifier: Apache-2.0
"""A version that passes its health check and fails its requests: users do not see it, and the rollout does."""
import os
import signal
import subprocess
import time

import pytest

from daemon import BASCULE, wait_until
from load import Client


@pytest.fixture
def start(make_daemon):
    """Starts a daemon with v1 live; `deploy` is added to the section."""
    def started(**deploy):
        daemon = make_daemon()
        daemon.start().do("deploy", "web", "v1")
        daemon.services["web"]["deploy"] |= {"bake": "60s", **deploy}
        daemon.configure()
        daemon.do("apply")
        return daemon
    return started


def deploy_under_load(daemon, *, fails, port):
    daemon.release("bad", fail_percent=fails)
    with Client(port, threads=4, pause_s=0.002) as client:
        began = time.monotonic()
        result = daemon.run("deploy", "web", "bad")
        took = time.monotonic() - began
        time.sleep(0.2)
    return result, took, client


def test_a_version_that_answers_500_to_everything_is_taken_back_and_nobody_saw_it(start):
    daemon = start()
    result, took, client = deploy_under_load(daemon, fails=100, port=daemon.port)
    assert result.returncode == 1, result.stdout + result.stderr
    assert took < 30, took
    assert client.answers and not client.failed(), client.failed()[:5]
    last = daemon.settled()
    assert last["status"] == "rolled-back"
    assert "rescue budget used up" in last["reason"] and "requests failed in blue" in last["reason"]
    assert "no user saw an error" in last["reason"]
    assert daemon.live() == "v1"
    kinds = [event["kind"] for event in daemon.json("events", "web")]
    assert "tripped" in kinds
    assert "rescue budget used up" in daemon.do("why", "web")
    rescues = last["rescues"]
    assert rescues["status"] > 0 and rescues["failed"] == rescues["refused"] == 0
    assert f"{rescues['status']} requests that bad failed ({rescues['status']} answered with an error) got an " \
           "answer from green" in daemon.do("why", "web")


def test_without_rescue_the_users_see_what_the_version_does(start):
    daemon = start(rescue=False, bake="1s")
    result, _, client = deploy_under_load(daemon, fails=100, port=daemon.port)
    assert result.returncode == 0
    assert client.failed()
    assert daemon.live() == "bad"


def test_a_version_that_fails_less_than_the_budget_is_rescued_to_the_end(start):
    """Watching decides about it; a fuse does not blow for it."""
    daemon = start(bake="2s", rescue_budget="100%")
    result, _, client = deploy_under_load(daemon, fails=3, port=daemon.port)
    assert result.returncode == 0, result.stdout + result.stderr
    while_on_trial = [a for a in client.answers if a.version == "v1" or a.status == 200]
    assert len(while_on_trial) > 100
    assert daemon.live() == "bad"


def test_while_it_is_watched_everybody_sees_what_is_rescued(start):
    daemon = start(rescue_budget="100%")
    daemon.release("bad", fail_percent=30)
    with Client(daemon.port, threads=2, pause_s=0.005):
        deploying = subprocess.Popen([BASCULE, "deploy", "web", "bad"], env=daemon.environment(), cwd=daemon.folder,
                                     stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

        def rescues():
            return (daemon.service()["rollout"] or {}).get("rescues") or {}
        wait_until(lambda: rescues().get("status", 0) >= 10, "requests are rescued")
        assert "    rescued: " in daemon.do("status", "web") and "(error status " in daemon.do("status", "web")
        assert "got an answer from green" in daemon.do("why", "web")
        figures = daemon.service()["figures"]
        assert figures["errors"] >= 10 and figures["requests"] > figures["errors"]
        daemon.do("abort", "web")
        deploying.wait(60)
    assert daemon.settled()["rescues"]["status"] >= 10
    daemon.do("deploy", "web", "v1")
    assert set(daemon.settled()["rescues"].values()) == {0}, "a new rollout begins to count anew"


def test_a_controller_that_was_away_hears_of_the_trip(start):
    """The proxies gave the traffic back without it; the rollout must not be promoted over that."""
    daemon = start()
    daemon.release("bad", fail_percent=100)
    deploying = subprocess.Popen([BASCULE, "deploy", "web", "bad"], env=daemon.environment(), cwd=daemon.folder,
                                 stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wait_until(lambda: any(e["kind"] == "step" and "watch" in e["text"] for e in daemon.json("events", "web")),
               "the new version is watched")
    stopped = daemon.pid("controller")
    os.kill(stopped, signal.SIGSTOP)
    try:
        with Client(daemon.port, threads=4, pause_s=0.002) as client:
            time.sleep(1)
    finally:
        os.kill(stopped, signal.SIGKILL)
    deploying.wait(60)
    last = daemon.settled()
    assert not client.failed(), client.failed()[:5]
    assert last["status"] == "rolled-back" and "rescue budget used up" in last["reason"], last
    assert daemon.live() == "v1"
