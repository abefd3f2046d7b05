# SPDX-License-Identifier: Apache-2.0
"""The access log as an operator has it: named in the file, rotated while users are served."""
import json
import signal

from daemon import Daemon, wait_until
from load import Wrk


def written(path):
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def test_every_request_is_in_the_log_or_in_the_rotated_one_across_an_upgrade():
    with Daemon() as daemon:
        log, old = daemon.folder / "logs" / "access.log", daemon.folder / "logs" / "access.log.1"
        log.parent.mkdir()
        daemon.configure(proxy={"workers": 2, "access_log": {"path": "logs/access.log"}})
        daemon.start()
        daemon.do("deploy", "web", "v1")
        with Wrk(daemon.port, connections=4) as load:
            wait_until(lambda: len(written(log)) > 50, "requests are logged")
            log.rename(old)
            daemon.process.send_signal(signal.SIGHUP)
            wait_until(lambda: len(written(log)) > 50, "the new file is written to")
            daemon.do("upgrade")
            before = len(written(log))
            wait_until(lambda: len(written(log)) > before + 50, "the new proxy writes there, too")
        wait_until(lambda: len(written(old)) + len(written(log)) >= load.requests, "every request is logged")
        assert load.failed == 0
        assert {line["status"] for line in written(log)} == {200}
        assert {line["service"] for line in written(log)} == {"web"}


def test_a_log_that_cannot_be_opened_is_refused_and_the_old_one_goes_on():
    with Daemon() as daemon:
        daemon.start()
        daemon.configure(proxy={"workers": 2, "access_log": {"path": "/nowhere/access.log"}})
        done = daemon.run("apply")
        assert done.returncode == 2 and "/nowhere/access.log" in done.stderr and "No such file" in done.stderr
        daemon.configure(proxy={"workers": 2, "access_log": {"path": "releases"}})
        done = daemon.run("config", "check")
        assert done.returncode == 2 and "is a directory" in done.stdout + done.stderr
