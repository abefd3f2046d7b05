# SPDX-License-Identifier: Apache-2.0
"""The controller is killed at any moment of a rollout, and again while it recovers: the rollout ends, one slot is live,
no instance is left over, and nobody who asks sees any of it.

BASCULE_SEED draws the same moments again; BASCULE_KILLS is how many rollouts of each strategy are hit."""
import os
import random
import signal
import time

import pytest

from daemon import hello, processes_of, wait_until
from load import Client

ROLLOUTS = int(os.environ.get("BASCULE_KILLS", 3))
LONGEST_S = 1.5  # a rollout takes that at most


def kill_controller(daemon):
    old = daemon.pid("controller")
    os.kill(old, signal.SIGKILL)
    wait_until(lambda: daemon.pid("controller") not in (None, old), "another controller runs")


def instances(daemon):
    return {i["id"]: i["pid"] for slot in daemon.service()["slots"].values() for i in slot["instances"]}


def shims(daemon):
    """The instances of which a process runs."""
    return {command.partition(" --id ")[2].split()[0] for command in processes_of(daemon.folder).values()
            if "bascule-shim " in command}


def whole(daemon):
    """One slot has all the traffic and its instances; what runs is what bascule knows of."""
    service = daemon.service()
    weights = {name: slot["weight_bp"] for name, slot in service["slots"].items()}
    assert weights.pop(service["live"]) == 10000 and set(weights.values()) == {0}, service
    live = service["slots"][service["live"]]
    assert sum(i["phase"] == "running" and i["health"] == "healthy" for i in live["instances"]) == 3, live
    wait_until(lambda: shims(daemon) == set(instances(daemon)), f"no instance is left over: {shims(daemon)}")


@pytest.mark.parametrize("strategy", ["blue-green", "canary", "rolling", "recreate"])
def test_the_controller_is_killed_at_any_moment(make_daemon, strategy):
    seed = int(os.environ.get("BASCULE_SEED", time.time_ns() % 1_000_000))
    print(f"BASCULE_SEED={seed}")
    chance = random.Random(seed)
    daemon = make_daemon()
    daemon.services["web"] = hello(daemon.folder, replicas=3)
    daemon.services["web"]["deploy"] |= {"strategy": strategy, "batch": "one-at-a-time", "steps": [10, 50],
                                         "bake": "100ms", "analysis": {"enabled": False}}
    daemon.start().do("deploy", "web", "v1")
    live, outcomes = "v1", set()
    with Client(daemon.port) as client:
        for number in range(ROLLOUTS):
            version = f"k{number}"
            daemon.release(version)
            daemon.do("deploy", "web", version, "--no-wait")
            time.sleep(chance.uniform(0, LONGEST_S))
            aborted = chance.random() < 0.25 and daemon.run("abort", "web").returncode == 0
            for _ in range(chance.choice((1, 1, 2, 3))):
                kill_controller(daemon)
                time.sleep(chance.uniform(0, 0.1))
            last = daemon.settled()
            outcomes.add(last["status"])
            assert last["status"] == "promoted" or aborted, last
            live = version if last["status"] == "promoted" else live
            assert daemon.live() == live
            whole(daemon)
    print(outcomes)
    assert client.answers and not client.failed(), client.failed()[:5]
