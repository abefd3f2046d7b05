# SPDX-License-Identifier: Apache-2.0
"""The controller and the command line under valgrind, for a whole cycle of releases: no invalid access, no leak.

Slow, so it runs only where BASCULE_VALGRIND is set (scripts/check --full)."""
import os
import shlex
import subprocess

import pytest

from daemon import BASCULE, BUILD, Daemon

pytestmark = pytest.mark.skipif(not os.environ.get("BASCULE_VALGRIND"), reason="BASCULE_VALGRIND is not set")
VALGRIND = ["valgrind", "--quiet", "--error-exitcode=99", "--leak-check=full", "--show-leak-kinds=definite",
            "--errors-for-leak-kinds=definite", "--num-callers=20"]


class Watched(Daemon):
    """Its controller and its commands run under valgrind; what that finds is a file in `reports`."""

    def __init__(self):
        super().__init__(workers=1)
        self.reports = self.folder / "reports"
        self.reports.mkdir()
        self.watched = [*VALGRIND, f"--log-file={self.reports}/%p", str(BASCULE)]
        self.controller = self.folder / "controller"
        self.controller.write_text(f'#!/bin/sh\nexec {shlex.join(self.watched)} "$@"\n')
        self.controller.chmod(0o755)

    def spawn(self, *words):
        with open(self.log, "ab") as log:
            return subprocess.Popen(
                [BUILD / "src/supervisor/bascule-supervisor", "--state", self.state, "--config", self.file,
                 "--libexec", self.libexec(), "--controller", self.controller],
                stdout=log, stderr=log, env=self.environment(), cwd=self.folder, start_new_session=True)

    def libexec(self):
        """The programs side by side, as they are installed."""
        folder = self.folder / "libexec"
        folder.mkdir(exist_ok=True)
        for program in ("bascule", "proxy/bascule-proxy", "shim/bascule-shim"):
            link = folder / os.path.basename(program)
            if not link.exists():
                link.symlink_to(BUILD / "src" / program)
        return folder

    def watched_run(self, *words, expected=0):
        done = subprocess.run([*self.watched, *words], env=self.environment(), cwd=self.folder, capture_output=True,
                              text=True, timeout=300)
        assert done.returncode == expected, f"{words}: {done.returncode}\n{done.stdout}{done.stderr}{self.found()}"
        return done.stdout

    def found(self):
        """Lines with "==" tell of errors; those with "--" of system calls that valgrind does not know (pidfd_open)."""
        return "\n".join(line for report in self.reports.iterdir() for line in report.read_text().splitlines()
                         if line.startswith("=="))


def test_a_cycle_of_releases_touches_no_wrong_memory_and_leaks_none():
    with Watched() as daemon:
        daemon.services["web"]["health"]["deadline"] = "5s"
        daemon.state.mkdir(mode=0o700)
        daemon.start()
        run = daemon.watched_run
        run("deploy", "web", "v1")
        run("deploy", "web", "v2")
        run("rollback", "web")
        run("deploy", "web", "v3", expected=1)  # never healthy
        run("deploy", "web", "v2", "--stage")
        run("plan", "web", "v3")
        run("switch", "web")
        run("cleanup", "web")
        for words in (["status"], ["status", "web", "--json"], ["history", "web"], ["why", "web"],
                      ["logs", "web"], ["events", "web"], ["traffic", "web", "hold"], ["traffic", "web", "serve"],
                      ["config", "check"], ["help", "deploy"]):
            run(*words)
        daemon.services["web"]["deploy"]["bake"] = "100ms"
        daemon.configure()
        run("apply")
        run("deploy", "web", "v1")
        run("no-such-command", expected=2)
        run("status", "nobody", expected=2)
        assert daemon.live() == "v1"
        daemon.stop()
        assert not daemon.found(), daemon.found()
