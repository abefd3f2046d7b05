# SPDX-License-Identifier: Apache-2.0
"""A database that is damaged, or of a newer bascule, while users are served: they go on being served, everybody who
asks is told what is wrong and what to do, bascule can be stopped, and goes on by itself once the file is good."""
import contextlib
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import time

import pytest

from daemon import BASCULE, processes_of, wait_until
from load import Client

FAILED = 1
DAMAGED = ["bascule.db is damaged", ".dump", "mv new.db bascule.db", "within seconds"]
NEWER = ["written by a newer bascule", "layout 999", "away", "within seconds"]


@contextlib.contextmanager
def served(daemon):
    """No request fails in it, and all are answered by v1."""
    with Client(daemon.port) as client:
        wait_until(lambda: client.answers, "it is asked")
        yield client
        more(client)
    assert client.failed() == []
    assert {answer.version for answer in client.answers} == {"v1"}


def more(client):
    answered = len(client.answers)
    wait_until(lambda: len(client.answers) > answered + 20, "users are served")


def execute(daemon, *statements):
    with contextlib.closing(sqlite3.connect(daemon.state / "bascule.db")) as database:
        return [database.execute(statement).fetchone() for statement in statements]


def backup(daemon):
    """As docs/operations.md says."""
    copy = daemon.folder / "backup.db"
    with contextlib.closing(sqlite3.connect(daemon.state / "bascule.db")) as source, \
            contextlib.closing(sqlite3.connect(copy)) as target:
        source.backup(target)
    copy.chmod(0o600)
    return copy


def put_in_place(daemon, copy):
    for name in ("bascule.db-wal", "bascule.db-shm"):
        (daemon.state / name).unlink(missing_ok=True)
    shutil.copy(copy, daemon.state / "new.db")
    os.replace(daemon.state / "new.db", daemon.state / "bascule.db")


def damage(path):
    """Every page but the first is noise."""
    with open(path, "r+b") as file:
        file.seek(4096)
        file.write(os.urandom(path.stat().st_size - 4096))


def break_store(daemon, *, newer=False):
    """While the controller can't see it; then that is killed, and the next one finds it so."""
    controller = daemon.pid("controller")
    os.kill(controller, signal.SIGSTOP)
    execute(daemon, "PRAGMA wal_checkpoint(TRUNCATE)")
    if newer:
        execute(daemon, "PRAGMA user_version=999", "PRAGMA wal_checkpoint(TRUNCATE)")
    else:
        damage(daemon.state / "bascule.db")
    os.kill(controller, signal.SIGKILL)
    return controller


def told(daemon, says, *words):
    """The command fails with all of `says`, and as a problem with --json."""
    def answered():
        done = daemon.run(*words)
        return done if says[0] in done.stderr else None
    done = wait_until(answered, f"{words} tells what is wrong")
    assert done.returncode == FAILED
    for text in [*says, str(daemon.state)]:
        assert text in done.stderr
    return done


def mended(daemon):
    """Everything works again, with the same supervisor."""
    assert daemon.process.poll() is None
    wait_until(lambda: daemon.run("status", "-q").returncode == 0, "the file is used")
    assert daemon.live() == "v1" and {instance["health"] for instance in daemon.slot()["instances"]} == {"healthy"}
    assert [record["version"] for record in daemon.records()] == ["v1"]


@pytest.mark.parametrize("newer, says, name", [(False, DAMAGED, "store-damaged"), (True, NEWER, "store-newer")])
def test_users_are_served_and_told_what_to_do_until_the_file_is_good_again(daemon, newer, says, name):
    instances = daemon.instance_pids()
    copy = backup(daemon)
    with served(daemon):
        break_store(daemon, newer=newer)
        for words in (["status"], ["deploy", "web", "v2"], ["rollback", "web"], ["history", "web"], ["why", "web"],
                      ["apply"], ["abort", "web"], ["traffic", "web", "stop"], ["events"], ["plan", "web", "v2"]):
            told(daemon, says, *words)
        problem = json.loads(daemon.run("status", "--json").stdout)
        assert problem["type"] == f"urn:bascule:{name}" and problem["status"] == 503
        assert all(text in problem["detail"] for text in says)
        assert daemon.run("version").returncode == 0
        told_times = daemon.log.read_text().count(says[0])
        assert told_times == 1, "it is not told again and again"
        put_in_place(daemon, copy)
        mended(daemon)
        assert daemon.instance_pids() == instances, "what ran runs on"
    daemon.do("deploy", "web", "v2")
    assert daemon.live() == "v2"
    daemon.stop()


def test_a_fresh_proxy_serves_the_last_routes_while_the_store_is_broken(daemon):
    with Client(daemon.port) as client:
        break_store(daemon)
        told(daemon, DAMAGED, "status")
        os.kill([pid for pid, command in processes_of(daemon.folder).items()
                 if command.startswith("bascule-proxy")][0], signal.SIGKILL)
        killed = time.monotonic()
        wait_until(lambda: len([a for a in client.answers if a.sent > killed and a.status == 200]) > 20,
                   "users are served by the new one")
    assert {answer.version for answer in client.answers if answer.status == 200} == {"v1"}


def test_damage_that_a_deployment_meets_is_told_and_the_live_version_stays(daemon):
    copy = backup(daemon)
    controller = daemon.pid("controller")
    with served(daemon):
        os.kill(controller, signal.SIGSTOP)
        execute(daemon, "VACUUM", "PRAGMA wal_checkpoint(TRUNCATE)")  # what it holds in memory is no good
        damage(daemon.state / "bascule.db")
        os.kill(controller, signal.SIGCONT)
        told(daemon, DAMAGED, "deploy", "web", "v2")
        told(daemon, DAMAGED, "status")
        put_in_place(daemon, copy)
        mended(daemon)
        assert daemon.pid("controller") == controller
    daemon.do("deploy", "web", "v2")


@pytest.mark.parametrize("newer", [False, True])
def test_it_can_be_stopped_and_leaves_nothing_running(daemon, newer):
    break_store(daemon, newer=newer)
    told(daemon, NEWER if newer else DAMAGED, "status")
    daemon.stop()
    assert "did not stop all instances" not in daemon.log.read_text()


def test_a_new_supervisor_takes_over_what_runs_and_says_that_it_is_there(daemon):
    copy = backup(daemon)
    instances = daemon.instance_pids()
    with served(daemon):
        daemon.process.send_signal(signal.SIGUSR1)
        assert daemon.process.wait(60) == 0
        damage(daemon.state / "bascule.db")
        daemon.process = daemon.spawn()
        told(daemon, DAMAGED, "status")
        put_in_place(daemon, copy)
        mended(daemon)
        assert daemon.instance_pids() == instances


def test_who_waits_for_a_rollout_is_told_when_the_store_breaks_in_the_middle_of_it(make_daemon):
    daemon = make_daemon()
    daemon.services["web"]["deploy"]["bake"] = "1m"
    daemon.start().do("deploy", "web", "v1")
    waiting = subprocess.Popen([BASCULE, "deploy", "web", "v2"], env=daemon.environment(), stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE, text=True)
    wait_until(lambda: daemon.service()["slots"]["blue"]["weight_bp"] == 10000, "it is being watched")
    copy = backup(daemon)
    break_store(daemon)
    output, errors = waiting.communicate(timeout=60)
    assert waiting.returncode == FAILED, output + errors
    assert all(text in errors for text in DAMAGED)
    put_in_place(daemon, copy)
    wait_until(lambda: daemon.run("status", "-q").returncode == 0, "the file is used")
    daemon.do("abort", "web")
    assert daemon.settled()["status"] == "cancelled"


@pytest.mark.parametrize("statement", ["UPDATE rollouts SET cursor = 32", "DELETE FROM steps",
                                       "UPDATE rollouts SET status = 'undoing', ending = 'running'",
                                       "UPDATE rollouts SET release = 99"])
def test_a_rollout_that_can_not_stand_where_it_is_stored_is_damage(make_daemon, statement):
    """The file is whole, as is each value in it: only together they make no sense."""
    daemon = make_daemon()
    daemon.start().do("deploy", "web", "v1")
    daemon.services["web"]["deploy"]["bake"] = "1m"
    daemon.configure()
    daemon.do("apply")
    with served(daemon):
        waiting = subprocess.Popen([BASCULE, "deploy", "web", "v1"], env=daemon.environment(),
                                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_until(lambda: (daemon.service()["rollout"] or {}).get("waiting"), "it is being watched")
        controller = daemon.pid("controller")
        os.kill(controller, signal.SIGSTOP)
        copy = backup(daemon)
        execute(daemon, "PRAGMA foreign_keys = OFF", "BEGIN", statement, "COMMIT")
        os.kill(controller, signal.SIGKILL)
        told(daemon, [*DAMAGED, "table rollouts"], "status")
        waiting.wait(60)
        put_in_place(daemon, copy)
        wait_until(lambda: daemon.run("status", "-q").returncode == 0, "the file is used")
        daemon.do("abort", "web")
        assert daemon.settled()["status"] == "cancelled"
