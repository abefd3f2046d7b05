# SPDX-License-Identifier: Apache-2.0
"""The promise: whatever is done to the releases, to the controller and to the proxy, no request fails, and every
answer comes from a version that was live while the request ran.

BASCULE_OPERATIONS sets how many operations, BASCULE_SEED repeats an order that is printed when the test fails.
"""
import os
import random
import signal
import time

from daemon import hello, wait_until
from load import Client, Ledger, Wrk

OPERATIONS = int(os.environ.get("BASCULE_OPERATIONS", 50))
# How often each happens among 50.
SHARES = {"deploy": 12, "stage_and_switch": 6, "rollback": 6, "rollback_by_name": 3, "abort": 7, "failing_deploy": 3,
          "kill_controller": 3, "kill_controller_in_a_deploy": 3, "upgrade": 4, "apply": 2, "hangup": 1}


class Operator:
    """Gives the commands and keeps the ledger of what may answer."""

    def __init__(self, daemon, chance):
        self.daemon, self.chance, self.count = daemon, chance, 0
        daemon.do("deploy", "web", self.release())
        self.ledger = Ledger(daemon.live())
        self.before = []  # what was live, in order, and works

    def release(self, **switches):
        self.count += 1
        self.daemon.release(f"v{self.count}", **switches)
        return f"v{self.count}"

    def promoted(self, version):
        assert self.daemon.live() == version
        if self.ledger.live in self.before:
            self.before.remove(self.ledger.live)
        self.before.append(self.ledger.live)
        self.ledger.is_live(version)

    def ended(self, version):
        """A rollout to `version` that may have ended either way."""
        last = self.daemon.settled()
        if last["status"] == "promoted":
            self.promoted(version)
        else:
            assert last["status"] in ("rolled-back", "cancelled", "failed"), last
            assert self.daemon.live() == self.ledger.live
            self.ledger.is_live(self.ledger.live)

    def deploy(self):
        version = self.release()
        self.ledger.may(version)
        self.daemon.do("deploy", "web", version)
        self.promoted(version)

    def stage_and_switch(self):
        version = self.release()
        self.daemon.do("deploy", "web", version, "--stage")
        assert self.daemon.live() == self.ledger.live
        self.daemon.do("check", "web")
        self.ledger.may(version)
        self.daemon.do("switch", "web")
        self.promoted(version)

    def rollback(self):
        """Always to what a deployment just replaced: its slot is warm."""
        self.deploy()
        version = self.before[-1]
        self.ledger.may(version)
        self.daemon.do("rollback", "web")
        self.promoted(version)

    def rollback_by_name(self):
        version = self.chance.choice([v for v in self.before[-5:] if v != self.ledger.live] or [self.ledger.live])
        if version == self.ledger.live:
            return self.deploy()
        self.ledger.may(version)
        self.daemon.do("rollback", "web", version)
        return self.promoted(version)

    def abort(self):
        version = self.release(start_delay=self.chance.choice(["0", "0.5"]))
        self.ledger.may(version)
        self.daemon.do("deploy", "web", version, "--no-wait")
        time.sleep(self.chance.uniform(0, 1.2))  # wherever it is then
        aborted = self.daemon.run("abort", "web")
        assert aborted.returncode in (0, 1), aborted.stderr
        self.ended(version)

    def failing_deploy(self):
        version = self.release(**self.chance.choice([{"health": "500"}, {"exit_at_start": "3"}, {"listen": "no"}]))
        failed = self.daemon.run("deploy", "web", version)
        assert failed.returncode == 1, failed.stdout + failed.stderr
        self.ended(None)

    def kill_controller(self):
        old = self.daemon.pid("controller")
        os.kill(old, signal.SIGKILL)
        wait_until(lambda: self.daemon.pid("controller") != old, "another controller runs")

    def kill_controller_in_a_deploy(self):
        version = self.release()
        self.ledger.may(version)
        self.daemon.do("deploy", "web", version, "--no-wait")
        time.sleep(self.chance.uniform(0, 1.0))
        self.kill_controller()
        self.ended(version)

    def upgrade(self):
        old = self.daemon.pid("proxy")
        self.daemon.do("upgrade")
        wait_until(lambda: self.daemon.pid("proxy") != old, "another proxy runs")

    def others(self, section, key, *values):
        return [value for value in values if value != self.daemon.services["web"][section][key]]

    def change(self):
        self.daemon.services["web"]["deploy"]["bake"] = self.chance.choice(self.others("deploy", "bake", "0s", "100ms", "400ms"))
        self.daemon.services["web"]["health"]["interval"] = self.chance.choice(self.others("health", "interval", "100ms", "200ms", "300ms"))
        self.daemon.configure()

    def apply(self):
        self.change()
        self.daemon.do("apply")

    def hangup(self):
        self.change()
        applied = self.applied()
        self.daemon.process.send_signal(signal.SIGHUP)
        wait_until(lambda: self.applied() > applied, "the file is applied")

    def applied(self):
        return max(event["sequence"] for event in self.daemon.json("events", "-n", 1000) if event["kind"] == "apply")


def test_no_request_fails_while_everything_is_done_to_the_service(make_daemon):
    seed = int(os.environ.get("BASCULE_SEED", random.randrange(1 << 32)))
    print(f"BASCULE_SEED={seed} BASCULE_OPERATIONS={OPERATIONS}")
    chance = random.Random(seed)
    daemon = make_daemon()
    daemon.services["web"] = hello(daemon.folder, deploy={"bake": "0s", "standby": "10m", "drain": "10s"})
    daemon.services["web"]["health"]["deadline"] = "6s"
    daemon.start()
    operator = Operator(daemon, chance)
    names = [name for name, share in SHARES.items() for _ in range(share)]
    order = []
    while len(order) < OPERATIONS:
        order += chance.sample(names, len(names))

    with Wrk(daemon.port) as wrk, Client(daemon.port, threads=4, pause_s=0.01) as client:
        for number, name in enumerate(order[:OPERATIONS]):
            began, failed = time.monotonic(), len(client.failed())
            getattr(operator, name)()
            print(f"{number:3} {name}: {time.monotonic() - began:.2f} s, {len(client.failed()) - failed} failed")

    print(wrk.output, f"{len(client.answers)} checked answers")
    assert client.failed() == []
    assert wrk.failed == 0, wrk.output
    assert operator.ledger.wrong(client.answers) == []
    never_live = {record["version"] for record in daemon.records() if not record["switched_at"]}
    assert not never_live & {answer.version for answer in client.answers}
    assert len([record for record in daemon.records() if record["status"] == "live"]) == 1
    assert wrk.requests > 100 * OPERATIONS
