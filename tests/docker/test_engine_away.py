# SPDX-License-Identifier: Apache-2.0
"""The Docker Engine dies, hangs and comes back, at any moment of a release."""
import os
import signal
import subprocess
import time

import pytest

from containers import Visitors
from daemon import BASCULE, wait_until


def deploy_in_background(daemon, version):
    return subprocess.Popen([BASCULE, "deploy", "web", version], env=daemon.environment(), cwd=daemon.folder,
                            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


@pytest.mark.parametrize("after_s", [0, 0.2, 0.5, 1, 2, 4])
def test_the_engine_is_killed_in_a_deploy_and_comes_back(make_daemon, engine, after_s):
    daemon = make_daemon().start()
    daemon.do("deploy", "web", "v1")
    with Visitors(daemon) as visitors:
        deploying = deploy_in_background(daemon, "v2")
        time.sleep(after_s)
        engine.kill()
        time.sleep(1)
        engine.start("--live-restore")
        out, _ = deploying.communicate(timeout=120)
        daemon.settled()
    assert visitors.failed == []
    assert deploying.returncode in (0, 1), out
    assert daemon.version() == (200, "v2" if deploying.returncode == 0 else "v1")
    daemon.settled_containers()


def test_an_engine_that_stays_away_fails_the_deploy_and_not_the_live_version(make_daemon, engine):
    daemon = make_daemon().start()
    daemon.do("deploy", "web", "v1")
    engine.kill()
    try:
        with Visitors(daemon) as visitors:
            deploying = deploy_in_background(daemon, "v2")
            wait_until(lambda: "does not answer" in daemon.do("events", "web"), "the deploy is given up", 60)
        assert visitors.failed == []
    finally:
        engine.start("--live-restore")
    out, _ = deploying.communicate(timeout=120)
    assert deploying.returncode == 1 and "does not answer" in out
    daemon.do("deploy", "web", "v2")
    assert daemon.version() == (200, "v2")
    daemon.settled_containers()


def test_a_controller_that_starts_without_the_engine_serves_what_ran(make_daemon, engine):
    daemon = make_daemon().start()
    daemon.do("deploy", "web", "v1")
    engine.kill()
    try:
        with Visitors(daemon) as visitors:
            os.kill(daemon.pid("controller"), signal.SIGKILL)
            wait_until(lambda: daemon.run("status", "-q").returncode == 0 and daemon.healthy() == 2,
                       "the controller is back")
            time.sleep(1)
        assert visitors.failed == []
    finally:
        engine.start("--live-restore")
    daemon.do("deploy", "web", "v2")
    daemon.settled_containers()


def test_an_engine_that_hangs_does_not_stop_the_controller(make_daemon, engine):
    daemon = make_daemon().start()
    daemon.do("deploy", "web", "v1")
    engine.process.send_signal(signal.SIGSTOP)
    try:
        began = time.monotonic()
        assert daemon.version() == (200, "v1")
        daemon.do("status")
        assert time.monotonic() - began < 10
    finally:
        engine.process.send_signal(signal.SIGCONT)
    daemon.do("deploy", "web", "v2")
    daemon.settled_containers()
