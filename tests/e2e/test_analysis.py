# SPDX-License-Identifier: Apache-2.0
"""Versions that pass their health checks and are worse than the one before: found by what the proxy counts, and
taken back; and those that nobody asked, about which nothing is known."""
import os
import signal
import time

import pytest

from daemon import processes_of, wait_until
from load import Client


@pytest.fixture
def start(make_daemon):
    """Starts a daemon with a version live that takes 20 ms for an answer; `deploy` is added to the section."""
    def started(**deploy):
        daemon = make_daemon()
        daemon.release("good", answer_delay=0.02)
        daemon.services["web"]["deploy"] |= {"bake": "60s", **deploy}
        daemon.start().do("deploy", "web", "good", "--bake", "0s")
        return daemon
    return started


def deploy_under_load(daemon, version, before_s=4.0, threads=8):
    """What `deploy` said, how long it took, and what the clients saw."""
    with Client(daemon.port, threads=threads, pause_s=0.002) as client:
        time.sleep(before_s)
        began = time.monotonic()
        result = daemon.run("deploy", "web", version)
        took = time.monotonic() - began
    return result, took, client


def taken_back(daemon, result, proof, metrics):
    """The rollout was taken back for harm, and everybody is told with numbers."""
    assert result.returncode == 1, result.stdout + result.stderr
    last = daemon.settled()
    assert last["status"] == "rolled-back", last
    found = last["analysis"]
    assert found["finding"] == "harm" and found["proof"] in proof and found["metric"] in metrics, found
    assert found["candidate"]["requests"] >= 100
    assert daemon.live() == "good"
    assert last["reason"] in daemon.do("why", "web")
    assert any(event["kind"] == "harm" and event["text"] == last["reason"] for event in daemon.json("events", "web"))
    return last


def test_errors_after_the_switch_are_compared_with_before_and_the_version_is_taken_back(start):
    daemon = start()
    daemon.release("bad", answer_delay=0.02, fail_percent=5)
    result, took, client = deploy_under_load(daemon, "bad")
    last = taken_back(daemon, result, {"before"}, {"errors"})
    assert took < 50, took
    assert "bad fails" in last["reason"] and "good failed 0 % before it" in last["reason"], last["reason"]
    assert last["analysis"]["compared"] == "before"
    assert last["analysis"]["candidate"]["low_ppm"] > last["analysis"]["live"]["high_ppm"]
    assert client.answers and not client.failed(), client.failed()[:5]  # they were rescued


def test_twice_the_latency_after_the_switch_is_taken_back(start):
    daemon = start()
    daemon.release("slow", answer_delay=0.05)
    result, took, client = deploy_under_load(daemon, "slow")
    last = taken_back(daemon, result, {"before"}, {"p50", "p90"})
    assert took < 50, took
    assert "slow is slower than good was before it" in last["reason"], last["reason"]
    assert last["analysis"]["candidate"]["p50_us"] > 1.5 * last["analysis"]["live"]["p50_us"]
    assert not client.failed(), client.failed()[:5]


def test_a_canary_that_fails_half_of_its_requests_is_seen_in_seconds_and_nobody_saw_an_error(start):
    daemon = start(strategy="canary", steps=[20])
    daemon.release("bad", answer_delay=0.02, fail_percent=50)
    result, took, client = deploy_under_load(daemon, "bad", before_s=1)
    last = daemon.settled()
    assert result.returncode == 1 and last["status"] == "rolled-back", last
    assert took < 20, took
    assert "at the same time (p = " in last["reason"] or "rescue budget" in last["reason"], last["reason"]
    assert daemon.live() == "good"
    assert not client.failed(), client.failed()[:5]


def test_a_canary_that_is_slower_is_seen_beside_the_live_version(start):
    daemon = start(strategy="canary", steps=[50])
    daemon.release("slow", answer_delay=0.06)
    result, _, client = deploy_under_load(daemon, "slow")
    last = taken_back(daemon, result, {"fast", "steady"}, {"p50", "p90", "p99"})
    assert "slow is slower than good: " in last["reason"] and "at the same time" in last["reason"]
    assert not client.failed(), client.failed()[:5]


def test_an_equal_canary_is_promoted_under_load(start):
    daemon = start(strategy="canary", steps=[20, 50], bake="2s")
    daemon.release("same", answer_delay=0.02)
    result, _, client = deploy_under_load(daemon, "same")
    assert result.returncode == 0, result.stdout + result.stderr
    assert daemon.live() == "same" and not client.failed(), client.failed()[:5]


def test_a_canary_without_requests_waits_says_what_is_missing_and_fails(start):
    daemon = start(strategy="canary", steps=[10], bake="100ms", analysis={"wait": "6s"})
    daemon.release("quiet")
    daemon.do("deploy", "web", "quiet", "--no-wait")
    wait_until(lambda: "0 of 100 requests, and none comes" in daemon.do("why", "web"), "it waits for requests")
    found = daemon.service()["rollout"]["analysis"]
    assert found["finding"] == "inconclusive" and found["needed_ms"] is None, found
    last = daemon.settled()
    assert last["status"] in ("failed", "rolled-back"), last
    assert "0 of 100 requests" in last["reason"], last["reason"]
    assert daemon.live() == "good"


def replaced_slowly(daemon):
    """The controller is killed, and the next one hears of its addresses late, as on a slow disk."""
    old, supervisor = daemon.pid("controller"), daemon.pid("supervisor")
    os.kill(old, signal.SIGKILL)
    wait_until(lambda: [pid for pid, command in processes_of(daemon.folder).items()
                        if "controller" in command and pid != old], "another one runs", pause_s=0.001)
    os.kill(supervisor, signal.SIGSTOP)
    time.sleep(0.3)
    os.kill(supervisor, signal.SIGCONT)
    wait_until(lambda: daemon.pid("controller") not in (None, old), "it is ready")


def test_controllers_that_are_killed_in_a_bake_leave_one_that_counts_on(start):
    daemon = start(strategy="canary", steps=[50])
    daemon.release("same", answer_delay=0.02)
    with Client(daemon.port, threads=8, pause_s=0.002):
        daemon.do("deploy", "web", "same", "--no-wait")
        for _ in range(2):
            wait_until(lambda: ((daemon.service()["rollout"] or {}).get("analysis") or {}).get("candidate"), "it counts")
            replaced_slowly(daemon)
        found = wait_until(lambda: (found := daemon.service()["rollout"]["analysis"]) and
                           found["candidate"]["requests"] >= 100 and found, "the third one counts")
        assert found["finding"] in ("good", "inconclusive"), found
        daemon.do("abort", "web")
    assert daemon.live() == "good"


def test_without_analysis_only_health_checks_decide(start):
    daemon = start(bake="5s", analysis={"enabled": False})
    daemon.release("bad", answer_delay=0.02, fail_percent=5)
    result, _, _ = deploy_under_load(daemon, "bad", before_s=1)
    assert result.returncode == 0, result.stdout + result.stderr
    assert daemon.live() == "bad" and daemon.settled()["analysis"] is None
