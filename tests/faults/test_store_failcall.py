# SPDX-License-Identifier: Apache-2.0
"""The store while system calls fail, one after the other: nothing committed is ever lost."""
import errno
import os
import subprocess
from pathlib import Path

import pytest

BUILD = Path(os.environ.get("BASCULE_BUILD", Path(__file__).resolve().parents[2] / "build"))
SHIM = BUILD / "tests" / "faults" / "failcall.so"
WORKER = BUILD / "tests" / "faults" / "store_worker"
COMMITS = 4


def work(state, count, **failcall):
    environment = {**os.environ, **{f"FAILCALL_{name.upper()}": str(value) for name, value in failcall.items()}}
    if failcall:
        environment.update(LD_PRELOAD=str(SHIM), FAILCALL_PATH=str(state))
    done = subprocess.run([WORKER, state, str(count)], env=environment, capture_output=True, text=True, timeout=60)
    return done.returncode, done.stdout.splitlines(), done.stderr


def last(lines, word):
    numbers = [int(line.split()[1]) for line in lines if line.startswith(word)]
    return numbers[-1] if numbers else 0


def fresh(tmp_path, name):
    state = tmp_path / name
    state.mkdir(mode=0o700)
    return state


def calls(tmp_path, name):
    total = tmp_path / "total"
    code, lines, stderr = work(fresh(tmp_path, "count"), COMMITS, name=name, total=total)
    assert code == 0, (lines, stderr)
    return int(total.read_text())


def check(tmp_path, run, may_abort=False, **failcall):
    """One run with a failure, then one without that must find all that was told."""
    state = fresh(tmp_path, str(run))
    code, lines, stderr = work(state, COMMITS, **failcall)
    allowed = (0, 1, -6) if may_abort else (0, 1)
    assert code in allowed, (failcall, code, lines, stderr)
    told = max(last(lines, "committed"), last(lines, "loaded"))
    code, after, stderr = work(state, COMMITS + 1)
    assert code == 0, (failcall, lines, after, stderr)
    assert int(after[1].split()[1]) in (told, told + 1), (failcall, lines, after)


@pytest.mark.parametrize("number", [errno.EIO, errno.ENOSPC], ids=["EIO", "ENOSPC"])
@pytest.mark.parametrize("times", [1, 1000], ids=["once", "for good"])
@pytest.mark.parametrize("name", ["open64", "write", "pwrite64", "fsync", "fdatasync", "ftruncate64", "posix_fallocate"])
def test_whichever_call_fails_nothing_committed_is_lost(tmp_path, name, times, number):
    total = calls(tmp_path, name)
    step = max(1, total // 25)
    for nth in range(1, total + 1, step):
        check(tmp_path, nth, name=name, nth=nth, times=times, errno=number)


def test_whichever_allocation_fails_nothing_committed_is_lost(tmp_path):
    total = calls(tmp_path, "malloc")
    for nth in range(1, total + 1, max(1, total // 150)):
        # The house's own allocations end the process, which its parent starts again.
        check(tmp_path, nth, may_abort=True, name="malloc", nth=nth, times=1, errno=errno.ENOMEM)
