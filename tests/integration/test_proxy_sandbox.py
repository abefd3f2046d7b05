# SPDX-License-Identifier: Apache-2.0
"""What the running proxy has given up, and what it does where it may not."""
import os
import socket
import subprocess
import tempfile
from pathlib import Path

import pytest

from dataplane import BUILD, PATIENCE_S, SANITIZED, Proxy

FAILCALL = BUILD / "tests/faults/failcall.so"
pytestmark = pytest.mark.skipif(SANITIZED, reason="a sanitizer opens files whenever it likes")
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root has something to give up")


def threads(pid):
    """{thread: {field: value}} of /proc/PID/task/*/status."""
    return {task.name: dict(line.split(":\t", 1) for line in (task / "status").read_text().splitlines() if ":\t" in line)
            for task in Path(f"/proc/{pid}/task").iterdir()}


def refused(start, **environment):
    """What a proxy that does not start says."""
    with tempfile.TemporaryFile("w+") as log:
        here, there = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        process = subprocess.Popen([BUILD / "src/proxy/bascule-proxy", "--channel", str(there.fileno())],
                                   pass_fds=[there.fileno()], stderr=log, env=dict(os.environ, **environment))
        there.close()
        here.send(f"start generation=1 workers=1 control=1 {start}".encode())
        status = process.wait(PATIENCE_S)
        here.close()
        log.seek(0)
        return status, log.read()


def test_every_thread_is_sealed_and_nobody():
    with Proxy(workers=3) as proxy:
        found = threads(proxy.process.pid)
        assert len(found) == 3 + 3, "the workers, that of copies, the access log's and the first"
        for status in found.values():
            assert status["Seccomp"] == "2" and status["NoNewPrivs"] == "1"
            assert int(status["CapEff"], 16) == 0 or os.geteuid() != 0
            assert "0" not in status["Uid"].split() or os.geteuid() != 0
            assert "0" not in status["Gid"].split() or os.geteuid() != 0


def test_off_is_off():
    with Proxy(start="sandbox=off") as proxy:
        assert {status["Seccomp"] for status in threads(proxy.process.pid).values()} == {"0"}


@as_root
def test_it_becomes_the_user_that_is_named():
    with Proxy(start="sandbox=required user=daemon") as proxy:
        assert {status["Uid"].split()[0] for status in threads(proxy.process.pid).values()} == {"1"}


@as_root
@pytest.mark.parametrize("user, text", [("bascule-nobody-has-this", "there is no user"), ("root", "must not run as")])
def test_a_user_that_cannot_be_is_an_error_however_much_is_allowed(user, text):
    status, log = refused(f"sandbox=preferred user={user}")
    assert status == 1 and text in log and user in log


@as_root
def test_where_something_is_forbidden_it_does_not_start_unless_that_is_allowed():
    forbidden = {"LD_PRELOAD": str(FAILCALL), "FAILCALL_NAME": "setgroups", "FAILCALL_NTH": "1", "FAILCALL_ERRNO": "1"}
    status, log = refused("sandbox=required", **forbidden)
    assert status == 1 and "Operation not permitted" in log and "sandbox: preferred" in log
    words = ["env", *(f"{name}={value}" for name, value in forbidden.items())]
    with Proxy(start="sandbox=preferred", wrapper=words) as proxy:
        found = threads(proxy.process.pid).values()
        assert {status["Seccomp"] for status in found} == {"2"}, "what is possible is done"
        proxy.log.seek(0)
        assert b"going on without it" in proxy.log.read()
