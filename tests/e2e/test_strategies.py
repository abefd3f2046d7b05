# SPDX-License-Identifier: Apache-2.0
"""Canary, rolling and recreate as users see them: under load, with failures, and with the controller killed."""
import json
import os
import signal
import threading
import time

import pytest

from daemon import ROOT, hello, wait_until
from load import Client, Wrk


@pytest.fixture
def start(make_daemon):
    """Starts a daemon of `replicas` with v1 live; `deploy` is added to the section."""
    def started(replicas=2, more=None, **deploy):
        daemon = make_daemon()
        web = hello(daemon.folder, replicas=replicas, **(more or {}))
        web["deploy"] |= {"bake": "300ms", **deploy}
        daemon.services["web"] = web
        daemon.start().do("deploy", "web", "v1", "--bake", "0s")
        return daemon
    return started


class Watch:
    """What `status` shows, again and again, until the end of `with`."""

    def __init__(self, daemon):
        self.daemon, self.seen, self.ending = daemon, [], threading.Event()
        self.thread = threading.Thread(target=self._look)

    def _look(self):
        while not self.ending.is_set():
            answer = self.daemon.run("status", "web", "--json")
            if answer.returncode == 0:
                self.seen.append(json.loads(answer.stdout)["slots"])
            self.ending.wait(0.02)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.ending.set()
        self.thread.join()

    def ready(self):
        """The number of healthy instances of both slots, at each look."""
        return [sum(i["health"] == "healthy" and i["phase"] == "running" for s in slots.values()
                    for i in s["instances"]) for slots in self.seen]

    def weights(self, slot):
        """The shares of the traffic that it had, in order."""
        seen = [slots[slot]["weight_bp"] for slots in self.seen]
        return [w for n, w in enumerate(seen) if not n or seen[n - 1] != w]


def kinds(daemon):
    return [event["text"] for event in daemon.json("events", "web") if event["kind"] in ("step", "undo")]


def running(daemon, slot):
    return [i for i in daemon.slot(slot)["instances"] if i["phase"] == "running" and i["health"] == "healthy"]


def test_a_canary_gets_the_traffic_in_steps_and_nobody_loses_a_request(start):
    daemon = start(replicas=4, strategy="canary", steps=[5, "25%", 50])
    daemon.release("v2")
    candidate = "blue" if daemon.service()["live"] == "green" else "green"
    with Wrk(daemon.port) as wrk, Client(daemon.port) as client, Watch(daemon) as watch:
        daemon.do("deploy", "web", "v2")
    assert wrk.requests and wrk.failed == 0, wrk.output
    assert client.answers and not client.failed(), client.failed()[:5]
    weights = watch.weights(candidate)
    assert weights == sorted(weights) and set(weights) <= {0, 500, 2500, 5000, 10000}
    assert {500, 2500, 5000} <= set(weights)
    assert daemon.live() == "v2" and daemon.settled()["strategy"] == "canary"
    assert len(running(daemon, candidate)) == 4
    assert daemon.slot({"blue": "green", "green": "blue"}[candidate])["state"] == "standby"


def test_a_canary_that_falls_ill_is_taken_back_and_nobody_saw_it(start):
    daemon = start(strategy="canary", steps=[50], bake="60s")
    daemon.release("v2")
    with Client(daemon.port) as client:
        daemon.do("deploy", "web", "v2", "--no-wait")
        service = wait_until(lambda: (s := daemon.service())["rollout"] and any(
            x["weight_bp"] == 5000 for x in s["slots"].values()) and s, "the canary has its share")
        candidate = service["rollout"]["slot"]
        assert service["live"] != candidate
        for instance in daemon.slot(candidate)["instances"]:
            os.kill(instance["pid"], signal.SIGKILL)
        last = daemon.settled()
    assert last["status"] == "rolled-back", last
    assert daemon.live() == "v1"
    assert not client.failed(), client.failed()[:5]


def test_the_strategy_of_one_deployment_is_chosen_on_the_command_line(start):
    daemon = start(analysis={"enabled": False})  # nobody sends requests, so a canary would wait for them
    daemon.release("v2")
    plan = daemon.do("plan", "web", "v2", "--strategy", "canary", "--steps", "0.01,50", "--bake", "100ms")
    assert "canary" in plan and "0.01 %" in plan and "watch" in plan and "for 100ms" in plan
    daemon.do("deploy", "web", "v2", "--strategy", "canary", "--steps", "0.01,50", "--bake", "100ms")
    assert daemon.settled()["strategy"] == "canary"
    shares = [text for text in kinds(daemon) if "of the traffic" in text]
    assert [text.split()[2] for text in shares[1:]] == ["0.01", "50", "100"]
    for words, wrong in ((("--steps", "5"), "canary"), (("--strategy", "waterfall"), "strategy"),
                         (("--strategy", "canary", "--steps", "50,5"), "rising"),
                         (("--strategy", "rolling", "--stage"), "staged")):
        refused = daemon.run("deploy", "web", "v3", *words)
        assert refused.returncode in (1, 2) and wrong in refused.stderr, refused
    assert daemon.live() == "v2"


def test_a_rolling_release_keeps_its_capacity_and_loses_no_request(start):
    daemon = start(replicas=4, strategy="rolling", batch=2, max_unavailable=1, bake="0s")
    daemon.release("v2")
    with Wrk(daemon.port) as wrk, Client(daemon.port) as client, Watch(daemon) as watch:
        daemon.do("deploy", "web", "v2")
    assert wrk.requests and wrk.failed == 0, wrk.output
    assert client.answers and not client.failed(), client.failed()[:5]
    assert min(watch.ready()) >= 3 and max(watch.ready()) <= 6, watch.ready()
    candidate = daemon.service()["live"]
    weights = watch.weights(candidate)
    assert weights == sorted(weights) and len(weights) > 2, weights
    assert daemon.live() == "v2" and len(running(daemon, candidate)) == 4
    other = daemon.slot({"blue": "green", "green": "blue"}[candidate])
    assert other["state"] == "idle" and not other["instances"]
    daemon.do("rollback", "web")
    assert daemon.live() == "v1" and daemon.settled()["strategy"] == "rolling"


def test_a_failure_in_the_second_batch_restores_all_four(start):
    """The third and the fourth instance of the new version end at their start."""
    daemon = start(replicas=4, strategy="rolling", batch=2, bake="0s",
                   more={"restart": "never", "health": {"path": "/health", "interval": "100ms", "deadline": "5s"}})
    folder = daemon.folder / "releases" / "v2"
    daemon.release("v2")
    candidate = {"blue": "green", "green": "blue"}[daemon.service()["live"]]
    with Client(daemon.port) as client, Watch(daemon) as watch:
        daemon.do("deploy", "web", "v2", "--no-wait")
        # Both of the first batch answer, so they have read their switches; the next will read others.
        wait_until(lambda: len([i for i in daemon.slot(candidate)["instances"] if "200" in i["detail"]]) == 2,
                   "the first batch runs")
        (folder / "switches").write_text("exit_at_start=3\n")
        last = daemon.settled()
    assert last["status"] == "rolled-back" and "status 3" in last["reason"], last
    assert not client.failed(), client.failed()[:5]
    assert min(watch.ready()) >= 4, watch.ready()
    assert daemon.live() == "v1" and len(running(daemon, "live")) == 4
    undone = [text for text in kinds(daemon) if "again" in text]
    assert undone, kinds(daemon)


def test_recreate_holds_requests_and_loses_none(start):
    daemon = start(strategy="recreate", bake="0s")
    daemon.release("v2", start_delay=0.5)
    both = []
    with Client(daemon.port) as client, Watch(daemon) as watch:
        daemon.do("deploy", "web", "v2")
        time.sleep(0.2)
        both = [[i for s in slots.values() for i in s["instances"] if i["pid"]] for slots in watch.seen]
    assert client.answers and not client.failed(), client.failed()[:5]
    assert max(answer.done - answer.sent for answer in client.answers) > 0.5  # it waited
    assert daemon.live() == "v2"
    assert all(len({instance["id"].rsplit("-", 1)[0] for instance in seen}) <= 1 for seen in both), both
    daemon.do("rollback", "web")
    assert daemon.live() == "v1"


def test_a_recreated_version_that_does_not_come_up_gives_way_to_the_old_one(start):
    daemon = start(strategy="recreate", bake="0s",
                   more={"health": {"path": "/health", "interval": "100ms", "deadline": "2s"}})
    daemon.release("v2", health=500)
    with Client(daemon.port) as client:
        daemon.do("deploy", "web", "v2", "--no-wait")
        wait_until(lambda: "traffic: held" in daemon.do("status", "web"), "status says that requests wait")
        assert daemon.settled()["status"] == "failed"
        time.sleep(0.2)
    assert not client.failed(), client.failed()[:5]
    assert daemon.live() == "v1" and "traffic: serve" in daemon.do("status", "web")
    assert {answer.version for answer in client.answers} == {"v1"}


@pytest.mark.parametrize("strategy", ["blue-green", "canary", "rolling", "recreate"])
def test_the_plan_is_the_one_of_its_page(start, strategy):
    page = (ROOT / "docs" / "strategies" / f"{strategy}.md").read_text()
    daemon = start(replicas=4, strategy=strategy, batch=2, bake="30s" if strategy in ("blue-green", "canary") else "0s")
    printed = daemon.do("plan", "web", "v2").split("Changed since")[0].rstrip()
    assert f"```\n{printed}\n```" in page, printed
