# SPDX-License-Identifier: Apache-2.0
"""What the judge promises, at a thousand requests a second from h2load: harm is found in seconds, nobody sees an
error, and what slows both versions down is not blamed on the new one."""
import datetime
import json
import os
import pathlib
import re
import socketserver
import statistics
import subprocess
import threading
import time

import pytest

from daemon import PYTHON, SLOW, hello
from load import Wrk

MOODY = pathlib.Path(__file__).resolve().parents[1] / "support" / "moody_app.py"
ROLLOUTS = int(os.environ.get("BASCULE_VERDICTS", 2))
# What is promised is a mean. Single rollouts scatter: an instance that is left out for its errors adds no evidence
# any more, and what is left takes up to twice as long.
SCATTER = 1 if ROLLOUTS >= 10 else 1.5


class Constant:
    """`rate` requests a second for `seconds`, whatever the answers take; then how many were `good`, and `bad`."""

    def __init__(self, port, seconds, rate=1000, clients=100):
        self.command = ["h2load", "--h1", f"-c{clients}", f"--rps={rate // clients}", "-t1", "-D", str(seconds),
                        f"http://127.0.0.1:{port}/"]

    def __enter__(self):
        self.process = subprocess.Popen(self.command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        time.sleep(1)
        return self

    def __exit__(self, *_):
        try:
            self.output, _ = self.process.communicate(timeout=120)
        finally:
            self.process.kill()
        codes = re.search(r"status codes: (\d+) 2xx, (\d+) 3xx, (\d+) 4xx, (\d+) 5xx", self.output)
        troubles = re.search(r"(\d+) failed, (\d+) errored, (\d+) timeout", self.output)
        assert codes and troubles, self.output
        self.good = int(codes[1])
        self.bad = sum(map(int, codes.groups()[1:])) + sum(map(int, troubles.groups()))


@pytest.fixture
def start(make_daemon):
    """Starts a daemon with the moody version `live`; `deploy` is added to the section."""
    def started(moods=None, **deploy):
        daemon = make_daemon(workers=2)
        web = hello(daemon.folder, command=[PYTHON, str(MOODY)])
        web["deploy"] |= {"strategy": "canary", "scale": "full", "steps": [5], "bake": "60s", **deploy}
        daemon.services["web"] = web
        release(daemon, "live", **(moods or {}))
        daemon.start().do("deploy", "web", "live", "--bake", "0s")
        return daemon
    return started


def release(daemon, version, **moods):
    folder = daemon.folder / "releases" / version
    folder.mkdir()
    (folder / "moods").write_text(json.dumps(moods))


def seconds_with_traffic(daemon, rollout):
    """From the first share of the traffic to the harm."""
    events = [e for e in daemon.json("events", "web") if e["rollout"] == rollout]
    at = {kind: datetime.datetime.fromisoformat(next(e["at"] for e in events if e["kind"] == kind and text in e["text"]))
          for kind, text in (("step", "give"), ("harm", ""))}
    return (at["harm"] - at["step"]).total_seconds()


@pytest.mark.alone
def test_a_canary_that_fails_half_of_its_requests_is_back_in_two_seconds_and_nobody_saw_an_error(start):
    daemon = start()
    took, errors = [], []
    for number in range(ROLLOUTS):
        release(daemon, f"bad{number}", fail=0.5)
        with Constant(daemon.port, 5, clients=20) as load:  # many clients would send in step, ten times a second
            result = daemon.run("deploy", "web", f"bad{number}")
        last = daemon.settled()
        assert result.returncode == 1 and last["status"] == "rolled-back", last
        assert load.bad == 0 and load.good >= 4500, load.output
        took.append(seconds_with_traffic(daemon, last["id"]))
        errors.append(last["analysis"]["candidate"]["errors"])
    print(f"{took} s, {errors} errors")
    patience = SCATTER * SLOW
    assert statistics.mean(took) <= 2 * patience and statistics.mean(errors) <= 50 * patience, (took, errors)


@pytest.mark.alone
def test_a_canary_whose_p99_is_three_times_as_high_is_taken_back(start):
    daemon = start({"spread_s": 0.005}, steps=[20])
    release(daemon, "heavy", spread_s=0.005, late=0.05, late_s=0.07)
    with Constant(daemon.port, 10) as load:
        time.sleep(2)
        result = daemon.run("deploy", "web", "heavy")
    last = daemon.settled()
    print(last["reason"], seconds_with_traffic(daemon, last["id"]))
    assert result.returncode == 1 and last["status"] == "rolled-back", last
    assert last["analysis"]["metric"] in ("p90", "p99"), last
    assert last["analysis"]["candidate"]["errors"] == 0 and load.bad == 0, load.output


def test_a_canary_that_hangs_is_taken_back_and_who_waited_is_answered(start):
    daemon = start({"pace_s": 0.005}, steps=[20], drain="1s")
    release(daemon, "hanging", pace_s=0.005, hang=0.3)
    with Constant(daemon.port, 8) as load:
        time.sleep(2)
        result = daemon.run("deploy", "web", "hanging")
    last = daemon.settled()
    print(last["reason"], seconds_with_traffic(daemon, last["id"]))
    assert result.returncode == 1 and last["status"] == "rolled-back", last
    assert load.bad == 0, load.output


class Database(socketserver.ThreadingTCPServer):
    """Answers line by line, `pause_s` later."""
    daemon_threads = allow_reuse_address = True
    pause_s = 0.0

    def handle_error(self, *_):
        """The other side went away."""

    class Session(socketserver.StreamRequestHandler):
        def handle(self):
            while self.rfile.readline():
                time.sleep(self.server.pause_s)
                self.wfile.write(b"!\n")


def test_a_database_that_slows_both_versions_down_is_not_blamed_on_the_new_one(start):
    with Database(("127.0.0.1", 0), Database.Session) as database:
        threading.Thread(target=database.serve_forever, daemon=True).start()
        moods = {"database": database.server_address[1]}
        daemon = start(moods, steps=[50], bake="6s", analysis={"before_latency": 100})
        release(daemon, "same", **moods)
        with Wrk(daemon.port, connections=8) as load:
            time.sleep(2)
            slow = threading.Timer(2, setattr, (database, "pause_s", 0.02))
            slow.start()
            result = daemon.run("deploy", "web", "same")
        database.shutdown()
    assert result.returncode == 0, daemon.settled()
    assert load.requests and load.failed == 0, load.output
