# SPDX-License-Identifier: Apache-2.0
"""Containers for real: one Docker Engine for all tests of a process, a daemon of bascule for each."""
import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
from containers import ContainerDaemon  # noqa: E402
from engine import Engine, why_not  # noqa: E402


def pytest_collection_modifyitems(items):
    reason = why_not()
    for item in items:
        if reason and "tests/docker" in str(item.path):
            item.add_marker(pytest.mark.skip(reason=reason))


@pytest.fixture(scope="session")
def engine():
    with Engine() as running:
        running.start("--live-restore")
        for version in ("v1", "v2", "v3"):
            running.image(f"shop:{version}", "CMD [\"httpd\", \"-f\", \"-p\", \"8080\", \"-h\", \"/www\"]",
                          **{"www/version": version, "www/health": "well"})
        yield running


@pytest.fixture
def make_daemon(engine):
    made = []

    def make(**options):
        made.append(ContainerDaemon(engine, **options))
        return made[-1]
    yield make
    for daemon in reversed(made):
        daemon.close()
