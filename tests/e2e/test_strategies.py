# SPDX-License-Identifier: Apache-2.0
"""Canary, rolling and recreate as users see them: under load, with failures, and with the controller killed."""
import json
import os
import random
import signal
import threading
import time

import pytest

from daemon import hello, wait_until
from load import Client, Wrk


@pytest.fixture
def start(make_daemon):
    """Starts a daemon of `replicas` with v1 live; `deploy` is added to the section."""
    def started(replicas=2, more=None, **deploy):
        daemon = make_daemon()
        web = hello(daemon.folder, replicas=replicas, **(more or {}))
        web["deploy"] |= {"bake": "300ms", **deploy}
        daemon.services["web"] = web
        daemon.start().do("deploy", "web", "v1")
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
    daemon = start()
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
