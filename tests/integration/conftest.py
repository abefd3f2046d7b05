# SPDX-License-Identifier: Apache-2.0
"""The helpers in tests/support are importable by name; a proxy, and two origins, for a test alone."""
import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
from dataplane import Proxy  # noqa: E402
from origins import Origin, answering  # noqa: E402


@pytest.fixture
def proxy():
    with Proxy() as p:
        yield p


@pytest.fixture
def pair():
    with Origin(answering(b"blue")) as blue, Origin(answering(b"green")) as green:
        yield blue, green
