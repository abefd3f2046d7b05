# SPDX-License-Identifier: Apache-2.0
"""What a user sees who gave bascule something wrong, or whose application, port or disk is: a message that says
what, an exit status that scripts can trust, and a live version that answers all the while."""
import contextlib
import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import time

import pytest

from daemon import BASCULE, BUILD, Daemon, alive, processes_of, wait_until
from load import Client

REFUSED, USAGE, BUSY, AWAY = 1, 2, 3, 4


@pytest.fixture(scope="module")
def web():
    """v1 of examples/hello is live; every test leaves it so."""
    with Daemon() as daemon:
        daemon.services["web"]["health"] |= {"deadline": "3s", "timeout": "300ms"}
        daemon.services["web"]["stop_grace_period"] = "1s"
        daemon.start()
        daemon.do("deploy", "web", "v1")
        yield daemon


@contextlib.contextmanager
def nothing_lost(daemon, live="v1"):
    """No request fails in it, and the live version stays."""
    with Client(daemon.port) as client:
        wait_until(lambda: client.answers, "it is asked")
        yield
        answered = len(client.answers)
        wait_until(lambda: len(client.answers) > answered + 10, "users are served")
    assert client.failed() == []
    assert {answer.version for answer in client.answers} == {live}
    if daemon.status_or_none()["services"]:
        assert daemon.live() == live


def refused(daemon, status, *words, says):
    """The command exits so and its message holds all of `says`."""
    done = daemon.run(*words)
    assert done.returncode == status, done.stdout + done.stderr
    for text in says:
        assert text in done.stderr, done.stderr
    assert "Traceback" not in done.stderr and done.stderr.endswith("\n")
    return done.stderr


def not_started(daemon, says, status=None):
    """`bascule serve` ends by itself with a message that holds all of `says`, and leaves nothing."""
    daemon.process = daemon.spawn()
    ended = daemon.process.wait(60)
    log = daemon.log.read_text()
    assert ended not in (0, *(() if status is None else (-signal.SIGKILL,))), log
    assert status is None or ended == status, log
    for text in says:
        assert text in log, log
    wait_until(lambda: not processes_of(daemon.folder), "nothing is left")


# --- the configuration ---

def file_with(daemon, **service):
    """The running configuration, with something wrong in it."""
    text = daemon.file.read_text()
    kept = dict(daemon.services["web"])
    daemon.services["web"] |= service
    daemon.configure()
    wrong = daemon.folder / "wrong.yaml"
    wrong.write_text(daemon.file.read_text())
    daemon.file.write_text(text)
    daemon.services["web"] = kept
    return wrong


@pytest.mark.parametrize("command", [("apply", "-f"), ("config", "check", "--config")], ids=lambda words: words[0])
def test_an_unknown_key_is_named_with_its_line_and_a_suggestion(web, command):
    wrong = file_with(web, replcas=3)
    with nothing_lost(web):
        line = 1 + [number for number, text in enumerate(wrong.read_text().splitlines()) if "replcas" in text][0]
        refused(web, USAGE, *command, wrong, says=[f"{wrong}:{line}: ", "services.web.replcas", "did you mean replicas?"])


def test_a_wrong_type_is_named_with_what_is_accepted(web):
    wrong = file_with(web, replicas="many", health={"interval": "soon"})
    with nothing_lost(web):
        refused(web, USAGE, "apply", "-f", wrong, says=[
            "services.web.replicas", "many", "1 to 256", "services.web.health.interval", "soon", "duration"])


def test_two_services_with_one_route_are_both_named(web):
    wrong = web.folder / "wrong.yaml"
    service = "{ targets: { blue: [127.0.0.1:1], green: [127.0.0.1:2] }, route: { host: a.example, path: /x } }"
    wrong.write_text(f"services:\n  one: {service}\n  two: {service}\n")
    with nothing_lost(web):
        refused(web, USAGE, "apply", "-f", wrong, says=["a.example", "/x", "one", "two"])


def test_a_file_that_is_not_there_is_named(web):
    with nothing_lost(web):
        refused(web, USAGE, "apply", "-f", "missing.yaml", says=["missing.yaml", "No such file"])


def test_a_daemon_with_a_wrong_file_does_not_start_and_says_all_that_is_wrong(make_daemon):
    daemon = make_daemon()
    daemon.services["web"] |= {"replcas": 1, "balance": "fair"}
    daemon.configure()
    not_started(daemon, ["services.web.replcas", "services.web.balance"])


def test_a_daemon_without_a_file_does_not_start(make_daemon):
    not_started(make_daemon(), ["bascule.yaml", "no such file"], status=2)


def test_a_port_in_use_ends_the_start_and_names_who_has_it(make_daemon):
    daemon = make_daemon()
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", daemon.port))
        taken.listen()
        daemon.configure()
        not_started(daemon, [f"127.0.0.1:{daemon.port}", "Address already in use", str(os.getpid())])
    daemon.start()


def test_a_port_in_use_refuses_the_new_configuration_and_the_old_one_stays(web):
    with socket.socket() as taken, nothing_lost(web):
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port, old = taken.getsockname()[1], web.port
        kept = web.file.read_text()
        web.file.write_text(kept.replace(f"127.0.0.1:{old}", f"127.0.0.1:{port}"))
        refused(web, USAGE, "apply", says=[f"127.0.0.1:{port}", "Address already in use"])
        web.file.write_text(kept)


# --- commands ---

@pytest.mark.parametrize("version", ["a/b", "../v1", "v\n2", "v\x1b[2J", "", "x" * 200, "-v2", "v 2", "$(id)"])
def test_a_version_that_could_name_something_else_is_refused(web, version):
    with nothing_lost(web):
        message = refused(web, USAGE, "deploy", "web", "--", version, says=[])
        assert "version" in message.lower() and "\x1b" not in message


def test_an_unknown_service_is_named(web):
    with nothing_lost(web):
        refused(web, USAGE, "deploy", "wep", "v2", says=["'wep'"])
        refused(web, USAGE, "rollback", "wep", says=["'wep'"])
        refused(web, USAGE, "status", "wep", says=["'wep'"])


def test_an_unknown_command_and_option_are_named_with_a_suggestion(web):
    refused(web, USAGE, "deplyo", says=["deplyo", "did you mean deploy?"])
    refused(web, USAGE, "deploy", "web", "v2", "--stag", says=["--stag", "did you mean --stage?"])
    refused(web, USAGE, "deploy", "web", says=["VERSION"])


def test_a_second_deployment_is_told_what_is_under_way(web):
    web.release("late", start_delay=60)
    with nothing_lost(web):
        begun = web.do("deploy", "web", "late", "--no-wait").strip()
        refused(web, BUSY, "deploy", "web", "v2", says=["web", begun])
        refused(web, BUSY, "switch", "web", says=["web", begun])
        web.do("abort", "web")
        assert web.settled()["status"] != "promoted"


def test_a_rollback_with_nothing_to_go_back_to_says_so(make_daemon):
    daemon = make_daemon().start()
    refused(daemon, REFUSED, "rollback", "web", says=["nothing to go back to"])
    refused(daemon, REFUSED, "rollback", "web", "v9", says=["'v9'"])
    refused(daemon, REFUSED, "switch", "web", says=["can't be switched to"])
    refused(daemon, REFUSED, "abort", "web", says=["no rollout"])
    refused(daemon, REFUSED, "check", "web", says=["check"])


def test_without_a_daemon_a_command_says_how_to_start_it(make_daemon):
    daemon = make_daemon()
    refused(daemon, AWAY, "status", says=[str(daemon.state), "bascule serve"])
    refused(daemon, AWAY, "deploy", "web", "v1", says=[str(daemon.state), "bascule serve"])


def test_a_second_daemon_is_refused_and_told_the_first_ones_pid(web):
    with nothing_lost(web):
        second = subprocess.run([BASCULE, "serve"], env=web.environment(), cwd=web.folder, capture_output=True,
                                text=True, timeout=60)
        assert second.returncode == 1
        assert str(web.process.pid) in second.stderr and str(web.state) in second.stderr


# --- the state directory ---

def as_nobody(daemon):
    """`bascule serve` of a user that may not write to the state directory."""
    programs = daemon.folder / "bin"
    programs.mkdir()
    for name in "bascule", "bascule-supervisor", "bascule-proxy", "bascule-shim":
        for found in (BUILD / "src" / name, BUILD / "src" / name.removeprefix("bascule-") / name):
            if found.is_file():
                shutil.copy(found, programs / name)
    daemon.folder.chmod(0o755)
    return subprocess.run(["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", programs / "bascule", "serve"],
                          env=daemon.environment(), cwd=daemon.folder, capture_output=True, text=True, timeout=60)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
@pytest.mark.parametrize("mode", [0o700, 0o755])
def test_a_state_directory_that_is_not_ours_is_refused(make_daemon, mode):
    daemon = make_daemon()
    daemon.configure()
    daemon.state.mkdir(mode=mode)
    ended = as_nobody(daemon)
    assert ended.returncode == 1, ended.stderr
    assert str(daemon.state) in ended.stderr
    assert list(daemon.state.iterdir()) == []


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_a_state_directory_that_cannot_be_made_is_refused(make_daemon):
    daemon = make_daemon()
    daemon.configure()
    ended = as_nobody(daemon)
    assert ended.returncode == 1, ended.stderr
    assert str(daemon.state) in ended.stderr and "Permission denied" in ended.stderr


def test_a_database_of_a_newer_bascule_is_left_alone(make_daemon):
    daemon = make_daemon().start()
    daemon.do("deploy", "web", "v1")
    daemon.stop()
    with contextlib.closing(sqlite3.connect(daemon.state / "bascule.db")) as database:
        layout = database.execute("PRAGMA user_version").fetchone()[0]
        database.execute("PRAGMA user_version=999")
    not_started(daemon, ["newer bascule", str(daemon.state), "999"], status=2)
    with contextlib.closing(sqlite3.connect(daemon.state / "bascule.db")) as database:
        assert database.execute("PRAGMA user_version").fetchone()[0] == 999
        database.execute(f"PRAGMA user_version={layout}")
    daemon.start()
    wait_until(lambda: daemon.live() == "v1", "everything is there again")


@pytest.fixture
def small_disk(make_daemon):
    """A daemon whose state directory has 5 MiB."""
    daemon = make_daemon()
    daemon.state.mkdir(mode=0o700)
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=5m,mode=700", "none", daemon.state],
                      capture_output=True, check=False).returncode:
        pytest.skip("mounting a tmpfs is not allowed here")
    try:
        yield daemon.start()
    finally:
        daemon.kill_all()
        wait_until(lambda: subprocess.run(["umount", daemon.state], check=False).returncode == 0, "nobody uses it any more")


def fill(path):
    with contextlib.suppress(OSError), open(path, "ab", buffering=0) as file:
        while file.write(b"x" * 4096):
            pass


def test_on_a_full_disk_traffic_goes_on_and_deployments_wait_for_room(small_disk):
    daemon, filler = small_disk, small_disk.state / "filler"
    other, live = "v1", "v2"
    daemon.do("deploy", "web", other)
    daemon.do("deploy", "web", live)
    fill(filler)
    for _ in range(20):  # what the store's files have room for is used first
        if daemon.run("deploy", "web", other).returncode:
            break
        other, live = live, other
    with nothing_lost(daemon, live):
        for _ in range(3):
            fill(filler)
            refused(daemon, REFUSED, "deploy", "web", other, says=["disk"])
            assert daemon.live() == live
        filler.unlink()
        wait_until(lambda: daemon.run("deploy", "web", other, "--stage").returncode == 0, "there is room again")
    daemon.do("switch", "web")
    assert daemon.live() == other


# --- applications ---

@pytest.mark.parametrize("version, switches, says", [
    ("exits", {"exit_at_start": 7}, ["exited with status 7"]),
    ("silent", {"listen": "no"}, ["0 of 2 instances healthy", "connection refused", "not listening"]),
    ("hangs", {"health_delay": 30}, ["0 of 2 instances healthy", "no answer"]),
    ("ill", {"health": 503}, ["0 of 2 instances healthy", "503", "ill answers with 503", "listens on"]),
])
def test_an_application_that_does_not_work_gets_no_request(web, version, switches, says):
    web.release(version, **switches)
    with nothing_lost(web):
        refused(web, REFUSED, "deploy", "web", version, says=[f"deploy of {version} failed", "v1 is still live", *says])
    assert web.records()[-1]["status"] == "failed" and not web.records()[-1]["switched_at"]
    assert all(slot["weight_bp"] == (10000 if slot["version"] == "v1" else 0)
               for slot in web.service()["slots"].values())
    assert says[0] in web.do("why", "web")


def test_an_application_that_ignores_sigterm_is_killed_after_the_grace(web):
    web.release("stubborn-too", ignore_term="yes")
    with nothing_lost(web):
        web.do("deploy", "web", "stubborn-too", "--stage")
        pids = [i["pid"] for slot in web.service()["slots"].values() if slot["state"] == "ready"
                for i in slot["instances"]]
        assert len(pids) == 2 and all(map(alive, pids))
        began = time.monotonic()
        web.do("cleanup", "web")
        wait_until(lambda: not any(map(alive, pids)), "it is killed")
        assert time.monotonic() - began > 0.9
    wait_until(lambda: len(web.instance_pids()) == 2, "its instances are gone from the status, too")


def test_an_instances_port_that_somebody_has_is_left_to_them(make_daemon):
    daemon = make_daemon()
    first = daemon.ports.first
    daemon.configure(ports=f"{first}-{first + 5}")
    daemon.start()
    daemon.do("deploy", "web", "v1")
    used = {int(i["address"].rpartition(":")[2]) for i in daemon.slot()["instances"]}
    free = [port for port in range(first, first + 6) if port not in used]
    with contextlib.ExitStack() as stack, nothing_lost(daemon):
        def take(port):
            return stack.enter_context(socket.create_server(("127.0.0.1", port)))  # a connection there may just have ended
        takers = [take(port) for port in free]
        refused(daemon, REFUSED, "deploy", "web", "v2", says=["port", "in use"])
        for taker in takers[2:]:
            taker.close()
        daemon.do("deploy", "web", "v2", "--stage")
        daemon.do("cleanup", "web")
