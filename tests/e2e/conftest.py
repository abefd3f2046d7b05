# SPDX-License-Identifier: Apache-2.0
"""Daemons for tests: stopped at the end, with proof that nothing is left; their log is shown when a test fails."""
import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
from daemon import Daemon  # noqa: E402


@pytest.fixture
def make_daemon():
    made = []

    def make(**options):
        made.append(Daemon(**options))
        return made[-1]
    yield make
    for daemon in reversed(made):
        daemon.close()


@pytest.fixture
def daemon(make_daemon):
    """Runs, with v1 of examples/hello live."""
    running = make_daemon().start()
    running.do("deploy", "web", "v1")
    return running
