# SPDX-License-Identifier: Apache-2.0
"""The command line on a terminal: how a rollout is shown there, and that the terminal is whole afterwards."""
import fcntl
import os
import pty
import re
import select
import signal
import struct
import termios
import time

import pytest

from cli_daemon import SLOW, Daemon
from daemon import BASCULE

HIDE, SHOW = b"\033[?25l", b"\033[?25h"


@pytest.fixture(scope="module")
def daemon(tmp_path_factory):
    running = Daemon(tmp_path_factory.mktemp("cli"))
    yield running
    running.stop()


@pytest.fixture(autouse=True)
def v1_is_live(daemon):
    daemon.make_live("v1")


class Terminal:
    """A command on a pseudo-terminal of its own."""

    def __init__(self, daemon, *words, columns=80, rows=24):
        self.seen = b""
        pid, self.fd = pty.fork()
        if pid == 0:
            os.execve(BASCULE, [str(BASCULE), *words], daemon.environment())
        self.pid = pid
        self.resize(columns, rows)

    def resize(self, columns, rows):
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def read(self, seconds):
        """False when the other side has closed."""
        if not select.select([self.fd], [], [], seconds)[0]:
            return True
        try:
            data = os.read(self.fd, 65536)
        except OSError:
            return False
        self.seen += data
        return bool(data)

    def expect(self, text, seconds=30 * SLOW):
        until = time.monotonic() + seconds
        while text not in self.seen:
            assert time.monotonic() < until, self.seen
            assert self.read(0.2) or text in self.seen, self.seen

    def end(self, seconds=30 * SLOW):
        until = time.monotonic() + seconds
        while self.read(0.2):
            assert time.monotonic() < until, self.seen
        _, status = os.waitpid(self.pid, 0)
        os.close(self.fd)
        return os.waitstatus_to_exitcode(status)


def test_a_terminal_shows_the_steps_and_gets_its_cursor_back(daemon):
    terminal = Terminal(daemon, "deploy", "web", "v10")
    assert terminal.end() == 0
    assert terminal.seen.count(HIDE) == terminal.seen.count(SHOW) == 1
    shown = terminal.seen.split(SHOW)[0]
    assert "✓".encode() in shown and b"blue" in shown and b"100 %" in shown
    assert "v10 is live" in re.sub(r"\033\[[0-9;?]*[A-Za-z]", "", terminal.seen.decode())
    assert b"\033[32m" in terminal.seen


def test_no_colour_is_obeyed_on_a_terminal(daemon):
    terminal = Terminal(daemon, "deploy", "web", "v11", "--no-color")
    assert terminal.end() == 0
    assert not re.search(rb"\033\[[0-9;]*m", terminal.seen)


def test_ctrl_c_leaves_the_rollout_alone_and_the_terminal_whole(daemon):
    terminal = Terminal(daemon, "deploy", "web", "slow4")
    terminal.expect(HIDE)
    os.write(terminal.fd, b"\003")
    assert terminal.end() == -signal.SIGINT
    assert terminal.seen.count(HIDE) == terminal.seen.count(SHOW)
    assert b"The rollout goes on" in terminal.seen and b"bascule abort web" in terminal.seen
    assert daemon.web()["rollout"]["status"] == "running"
    daemon.open_gate("slow4")
    assert daemon.run("wait", daemon.web()["rollout"]["id"]).returncode == 0


def test_a_terminated_watcher_gives_the_cursor_back_too(daemon):
    terminal = Terminal(daemon, "deploy", "web", "slow5")
    terminal.expect(HIDE)
    os.kill(terminal.pid, signal.SIGTERM)
    assert terminal.end() == -signal.SIGTERM
    assert terminal.seen.count(HIDE) == terminal.seen.count(SHOW)


def test_no_line_is_wider_than_a_terminal_that_shrank(daemon):
    terminal = Terminal(daemon, "deploy", "web", "slow6", columns=120)
    terminal.expect(HIDE)
    terminal.resize(30, 10)
    terminal.read(1)
    before = len(terminal.seen)
    daemon.open_gate("slow6")
    assert terminal.end() == 0
    text = terminal.seen[before:].split(SHOW)[0].decode(errors="ignore")
    lines = re.sub(r"\033\[[0-9;?]*[A-Za-z]", "", text).replace("\r", "").split("\n")
    assert all(len(line) <= 30 for line in lines[1:]), lines


def test_a_watcher_outlives_a_restart_of_the_controller(daemon):
    terminal = Terminal(daemon, "deploy", "web", "slow7")
    terminal.expect(HIDE)
    os.kill(daemon.json("status")["processes"]["controller"], signal.SIGKILL)
    daemon.open_gate("slow7")
    assert terminal.end(60 * SLOW) == 0
    assert daemon.live() == "slow7"
