# SPDX-License-Identifier: Apache-2.0
"""bascule-supervisor between a proxy and a controller that the test drives."""
import collections
import fcntl
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from daemon import alive, wait_until
from supervisor_peers import BUILD, SLOW, SUPERVISOR, Daemon, ask, free_address, memfd, reachable, receive


@pytest.fixture
def daemon(tmp_path):
    made = Daemon(tmp_path)
    yield made
    made.close()
    sys.stdout.write(made.log())


# --- start, state directory, second daemon ---

def test_it_starts_the_controller_as_promised_and_serves_once_configured(daemon):
    daemon.start()
    controller = daemon.controller()
    assert controller.arguments == ["controller", "--state", str(daemon.state), "--config",
                                    "/etc/b.yaml", "--channel", "3"]
    address = free_address()
    controller.configure(address)
    generation, pid = daemon.proxy(controller)
    assert generation == 1 and alive(pid)
    controller.snapshot(7, "routes")
    assert ask(address) == (1, "routes")
    assert (daemon.state.stat().st_mode & 0o777) == 0o700


def test_the_controller_gets_a_stream_and_the_counters_of_each_generation(daemon):
    daemon.start()
    controller = daemon.controller()
    controller.configure(free_address())
    values, fds = controller.expect("proxy")
    assert values["workers"] == "2" and values["state"] == "current"
    stream = socket.socket(fileno=fds[0])
    assert stream.type == socket.SOCK_STREAM
    assert os.pread(fds[1], 100, 0) == b"counters"
    os.close(fds[1])
    stream.close()


def test_a_second_daemon_is_refused_and_told_the_pid_of_the_first(daemon):
    first = daemon.start()
    daemon.controller()
    second = subprocess.run([SUPERVISOR, "--state", daemon.state, "--config", "x", "--libexec",
                             daemon.libexec], capture_output=True, text=True, timeout=SLOW)
    assert second.returncode == 1
    assert f"bascule already runs on {daemon.state} (pid {first.pid})" in second.stderr
    assert first.poll() is None


def refused(state):
    run = subprocess.run([SUPERVISOR, "--state", state, "--config", "x", "--libexec", "/x"],
                         capture_output=True, text=True, timeout=SLOW)
    assert run.returncode == 1
    return run.stderr


def test_a_symlinked_state_directory_is_refused(tmp_path):
    (tmp_path / "real").mkdir(mode=0o700)
    (tmp_path / "link").symlink_to("real")
    assert "is a symbolic link" in refused(tmp_path / "link")
    assert list((tmp_path / "real").iterdir()) == []


@pytest.mark.parametrize("mode", [0o770, 0o707, 0o1777])
def test_a_state_directory_that_others_may_write_is_refused(tmp_path, mode):
    state = tmp_path / "state"
    state.mkdir()
    state.chmod(mode)
    assert f"is writable for other users (mode {mode:04o})" in refused(state)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a directory away")
def test_a_state_directory_of_another_user_is_refused(tmp_path):
    (tmp_path / "state").mkdir(mode=0o700)
    os.chown(tmp_path / "state", 12345, -1)
    assert "belongs to user id 12345, not to 0" in refused(tmp_path / "state")


def test_a_state_directory_that_can_not_be_made_is_told(tmp_path):
    (tmp_path / "file").write_text("")
    assert f"create state directory {tmp_path}/file/state: Not a directory" in refused(
        tmp_path / "file" / "state")


def test_usage_errors_exit_2():
    run = subprocess.run([SUPERVISOR, "--state"], capture_output=True, text=True, timeout=SLOW)
    assert run.returncode == 2 and "--state needs a value" in run.stderr


def test_a_controller_that_can_not_use_its_configuration_ends_the_start(daemon):
    process = daemon.start()
    daemon.controller(go=False).go(b"x")
    assert process.wait(SLOW) == 2
    assert "this file is wrong" in daemon.log()


def test_a_controller_that_can_not_be_executed_ends_the_start(daemon):
    (daemon.libexec / "bascule").unlink()
    process = daemon.start()
    assert process.wait(SLOW) == 2
    assert f"execute {daemon.libexec}/bascule: No such file or directory" in daemon.log()


def test_a_stopped_controller_dies_with_its_supervisor_all_the_same(daemon):
    process, controller, _ = daemon.serve()
    os.kill(controller.pid, signal.SIGSTOP)
    process.kill()
    process.wait()
    wait_until(lambda: not alive(controller.pid), "it lets go of the store")


def test_a_proxy_that_serves_outlives_an_unusable_configuration(daemon):
    first, controller, address = daemon.serve()
    first.kill()
    first.wait()
    second = daemon.start()
    daemon.controller(go=False).go(b"x")
    daemon.controller()  # it is started again instead
    assert second.poll() is None
    assert ask(address) == (1, "one")


def test_an_unusable_store_ends_the_start_where_nothing_serves(daemon):
    process = daemon.start()
    controller = daemon.controller()
    controller.send("unusable")
    assert process.wait(SLOW) == 2
    assert not list(daemon.left())


def test_an_unusable_store_leaves_what_serves_and_systemd_is_told_that_it_is_there(daemon, tmp_path):
    process, controller, address = daemon.serve()
    process.kill()
    process.wait()
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
        notify.bind(str(tmp_path / "notify"))
        notify.settimeout(SLOW)
        process = daemon.start(env={**os.environ, "NOTIFY_SOCKET": str(tmp_path / "notify")})
        controller = daemon.controller()
        controller.send("unusable")
        assert notify.recv(4096) == f"READY=1\nMAINPID={process.pid}".encode()
        assert ask(address)[1] == "one"
        controller.send("unusable")  # on its way to the end that means nothing
        process.terminate()
        controller.expect("terminate")
        controller.send("unusable")
        controller.send("terminated")
        assert process.wait(SLOW) == 0


# --- listening ---

def test_a_port_in_use_is_refused_with_its_holder_and_can_be_freed(daemon):
    daemon.start()
    controller = daemon.controller()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        busy = "127.0.0.1:%d" % taken.getsockname()[1]
        free = free_address()
        controller.send(f"configure workers=1 listen={free},{busy}")
        text = controller.expect("refused")[0]["text"]
        name = Path("/proc/self/comm").read_text().strip()
        assert text == f"listen on {busy}: Address already in use by {name} (pid {os.getpid()})"
        with socket.create_server(("127.0.0.1", int(free.rsplit(":")[1]))):
            pass  # all or none: the free one is free again
    controller.configure(free, busy)


@pytest.mark.parametrize("address", ["localhost:80", "80", "127.0.0.1:0", "127.0.0.1:65536", "::1",
                                     "[::1:80", "127.0.0.1:80x", ":80"])
def test_what_is_no_address_is_refused(daemon, address):
    daemon.start()
    controller = daemon.controller()
    controller.send(f"configure workers=1 listen={address}")
    assert "is not a numeric address" in controller.expect("refused")[0]["text"]


def test_a_second_daemon_can_not_steal_the_address(daemon, tmp_path):
    _, _, address = daemon.serve()
    (tmp_path / "b").mkdir()
    other = Daemon(tmp_path / "b")
    try:
        other.start()
        controller = other.controller()
        controller.send(f"configure workers=1 listen={address}")
        assert "Address already in use by bascule-s" in controller.expect("refused")[0]["text"]
    finally:
        other.close()
    assert {ask(address)[1] for _ in range(20)} == {"one"}


def test_addresses_come_and_go_while_it_runs(daemon):
    _, controller, first = daemon.serve()
    second, six = free_address(), free_address("::1")
    controller.configure(first, second, six)
    assert ask(second) == ask(six) == ask(first) == (1, "one")
    controller.configure(second)
    for gone in (first, six):
        wait_until(lambda: not reachable(gone), "it does not listen any more")
    assert ask(second) == (1, "one")


def test_a_specific_address_can_become_any_and_back(daemon):
    _, controller, specific = daemon.serve()
    port = specific.rsplit(":")[1]

    def listening(address):
        line = f"{address}:{int(port):04X} 00000000:0000 0A"
        return line in Path("/proc/net/tcp").read_text()

    controller.configure("0.0.0.0:" + port)
    wait_until(lambda: not listening("0100007F"), "the specific one is closed")
    assert ask(specific) == (1, "one")
    controller.configure(specific)
    wait_until(lambda: not listening("00000000"), "the other one is closed")
    assert ask(specific) == (1, "one")


def test_ipv6_sockets_leave_ipv4_alone(daemon):
    six = free_address("::")
    daemon.serve(six)
    with socket.create_server(("0.0.0.0", int(six.rsplit(":", 1)[1]))):
        pass


def test_sockets_inherited_from_systemd_are_used_and_shared(daemon):
    with socket.create_server(("127.0.0.1", 0)) as inherited:
        address = "127.0.0.1:%d" % inherited.getsockname()[1]
        with open(daemon.log_path, "ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-c", "import os, sys; os.dup2(int(sys.argv[1]), 3); "
                 "os.environ.update(LISTEN_FDS='1', LISTEN_PID=str(os.getpid())); "
                 "os.execv(sys.argv[2], sys.argv[2:])", str(inherited.fileno()), SUPERVISOR,
                 "--state", daemon.state, "--config", "x", "--libexec", daemon.libexec],
                pass_fds=[inherited.fileno()], stderr=log, stdout=log,
                env={**os.environ, "BASCULE_TEST": str(daemon.state)})
        daemon.started.append(process)
        controller = daemon.controller()
        controller.configure(address)
        controller.snapshot(1, "one")
        assert ask(address) == (1, "one")
        controller.configure()  # it stays systemd's
        controller.configure(address)
        assert ask(address) == (1, "one")
        environment = Path(f"/proc/{controller.pid}/environ").read_bytes()
        assert b"LISTEN_" not in environment


def test_there_are_at_least_as_many_sockets_as_workers_and_never_fewer_later(daemon):
    process, controller, address = daemon.serve(workers=6)
    port = int(address.rsplit(":")[1])

    def sockets():
        held = {os.readlink(f"/proc/{process.pid}/fd/{fd}")
                for fd in os.listdir(f"/proc/{process.pid}/fd")}
        lines = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
        return {f"socket:[{line[9]}]" for line in lines
                if line[3] == "0A" and int(line[1].rsplit(":")[1], 16) == port} & held

    before = sockets()
    assert len(before) == max(6, os.cpu_count())
    controller.configure(address, workers=1)
    assert sockets() == before


# --- the proxy dies, hangs, does not start ---

def test_a_killed_proxy_is_replaced_on_the_same_sockets_and_nothing_is_refused(daemon):
    process, controller, address = daemon.serve()
    _, pid = daemon.proxy(controller)
    os.kill(pid, signal.SIGKILL)
    assert ask(address) == (2, "one")
    values, _ = controller.expect("proxy-gone")
    assert values["generation"] == "1"
    assert os.waitstatus_to_exitcode(int(values["status"])) == -signal.SIGKILL
    assert daemon.proxy(controller)[0] == 2
    assert sorted(p.name for p in (daemon.state / "proxy").iterdir()) == ["2.sock"]
    assert process.poll() is None


def test_a_hung_proxy_is_killed_and_replaced_while_the_controller_is_stopped(daemon):
    _, controller, address = daemon.serve()
    _, pid = daemon.proxy(controller)
    os.kill(controller.pid, signal.SIGSTOP)
    os.kill(pid, signal.SIGSTOP)
    assert ask(address) == (2, "one")
    assert not alive(pid)
    os.kill(controller.pid, signal.SIGCONT)
    assert "it does not answer" in daemon.log()


def test_the_newest_snapshot_is_what_a_new_proxy_starts_from(daemon):
    _, controller, address = daemon.serve()
    controller.snapshot(2, "two")
    _, pid = daemon.proxy(controller)
    os.kill(pid, signal.SIGKILL)
    assert ask(address) == (2, "two")


def test_a_proxy_that_dies_at_its_start_is_tried_again_ever_slower(daemon):
    daemon.misbehave("exit")
    daemon.start()
    controller = daemon.controller()
    address = free_address()
    controller.configure(address)
    controller.snapshot(1, "one")
    wait_until(lambda: daemon.log().count("exit status 3") >= 4, "four tries")
    daemon.behave()
    assert ask(address)[1] == "one"
    assert daemon.log().count("exit status 3") < 20


def test_a_fresh_controller_is_given_the_newest_snapshot_before_the_proxies(daemon):
    _, controller, _ = daemon.serve()
    controller.snapshot(5, "five")
    os.kill(controller.pid, signal.SIGKILL)
    again = daemon.controller()
    verb, values, fds = receive(again.channel, SLOW)
    assert (verb, values["id"]) == ("snapshot", "5")
    assert os.pread(fds[0], 100, 0) == b"five"
    os.close(fds[0])
    verb, _, fds = receive(again.channel, SLOW)
    assert verb == "proxy"
    for fd in fds:
        os.close(fd)


def test_a_snapshot_counts_as_taken_once_older_starts_are_announced(daemon):
    _, controller, _ = daemon.serve()
    assert daemon.proxy(controller)[0] == 1
    daemon.misbehave("mute")
    controller.send("upgrade token=1")
    wait_until(lambda: "generation 2: started" in daemon.log(), "it starts")
    fd = memfd("two")
    controller.send("snapshot id=2", [fd])
    os.close(fd)
    daemon.behave()  # now it introduces itself
    verbs = []
    while "snapshot-taken" not in verbs:
        verb, _, fds = receive(controller.channel, SLOW)
        for fd in fds:
            os.close(fd)
        verbs.append(verb)
    assert "proxy" in verbs


# --- upgrade ---

def test_an_upgrade_serves_before_the_old_one_retires(daemon):
    _, controller, address = daemon.serve()
    controller.send("upgrade token=42")
    values, _ = controller.expect("upgraded")
    assert values == {"token": "42", "generation": "2"}
    assert controller.expect("proxy-retiring")[0]["generation"] == "1"
    assert ask(address)[0] == 2
    values, _ = controller.expect("proxy-gone")
    assert values == {"generation": "1", "status": "0"}


@pytest.mark.parametrize("how, text", [("exit", "the new one exited before it was ready"),
                                       ("unready", "it does not become ready")])
def test_a_failed_upgrade_keeps_the_old_one(daemon, how, text):
    _, controller, address = daemon.serve()
    daemon.misbehave(how)
    controller.send("upgrade token=9")
    assert controller.expect("upgrade-failed")[0] == {"token": "9", "text": text}
    assert ask(address) == (1, "one")
    daemon.behave()
    controller.send("upgrade token=10")
    controller.expect("upgraded")
    controller.expect("proxy-retiring")
    assert ask(address)[0] == 3


def test_two_upgrades_at_once_are_one_too_many(daemon):
    _, controller, _ = daemon.serve()
    controller.send("upgrade token=1")
    controller.send("upgrade token=2")
    assert controller.expect("upgrade-failed")[0]["text"] == "another proxy is starting"
    assert controller.expect("upgraded")[0]["token"] == "1"


def test_sigusr2_upgrades(daemon):
    process, _, address = daemon.serve()
    process.send_signal(signal.SIGUSR2)
    wait_until(lambda: ask(address)[0] == 2, "the new generation serves")


def test_a_program_that_is_missing_fails_the_upgrade_only(daemon):
    _, controller, address = daemon.serve()
    (daemon.libexec / "bascule-proxy").rename(daemon.libexec / "away")
    controller.send("upgrade token=1")
    controller.expect("upgrade-failed")
    assert ask(address) == (1, "one")


# --- the controller dies ---

def test_a_killed_controller_is_started_again_and_told_of_the_proxies(daemon):
    _, controller, address = daemon.serve()
    generation, pid = daemon.proxy(controller)
    os.kill(controller.pid, signal.SIGKILL)
    again = daemon.controller()
    assert again.pid != controller.pid
    assert daemon.proxy(again) == (generation, pid)
    again.configure(address)
    assert ask(address) == (1, "one")


def test_reload_is_passed_on(daemon):
    process, controller, _ = daemon.serve()
    process.send_signal(signal.SIGHUP)
    controller.expect("reload")


def test_systemd_is_told(daemon, tmp_path):
    for address in (str(tmp_path / "notify"), f"\0bascule-{os.getpid()}"):
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
            notify.bind(address)
            notify.settimeout(SLOW)
            name = address.replace("\0", "@")
            process = daemon.start(env={**os.environ, "NOTIFY_SOCKET": name,
                                        "WATCHDOG_USEC": "200000"})
            controller = daemon.controller()
            assert b"NOTIFY_SOCKET" not in Path(f"/proc/{controller.pid}/environ").read_bytes()
            controller.configure()
            controller.send("ready")
            seen = collections.Counter()
            while seen[f"READY=1\nMAINPID={process.pid}".encode()] < 1 or seen[b"WATCHDOG=1"] < 3:
                seen[notify.recv(4096)] += 1
            assert len(seen) == 2, seen
            process.terminate()
            while notify.recv(4096) != b"STOPPING=1":
                pass
            controller.expect("terminate")
            controller.send("terminated")
            assert process.wait(SLOW) == 0


# --- the end ---

def test_sigterm_retires_the_proxies_then_ends_the_instances_then_itself(daemon):
    process, controller, address = daemon.serve()
    _, pid = daemon.proxy(controller)
    process.terminate()
    controller.expect("proxy-gone")
    assert not alive(pid) and not reachable(address)
    controller.expect("terminate")
    assert process.poll() is None
    controller.send("terminated")
    assert process.wait(SLOW) == 0
    assert not alive(controller.pid)
    assert list((daemon.state / "proxy").iterdir()) == []


def test_a_controller_that_dies_while_it_stops_instances_is_told_again(daemon):
    process, controller, _ = daemon.serve()
    process.terminate()
    controller.expect("terminate")
    os.kill(controller.pid, signal.SIGKILL)
    again = daemon.controller()
    again.expect("terminate")
    again.send("terminated")
    assert process.wait(SLOW) == 0


def test_sigterm_with_a_hung_proxy_does_not_hang(daemon):
    process, controller, _ = daemon.serve()
    _, pid = daemon.proxy(controller)
    os.kill(pid, signal.SIGSTOP)
    process.terminate()
    controller.expect("terminate")
    controller.send("terminated")
    assert process.wait(SLOW) == 0


# --- the supervisor dies, leaves, comes back ---

def test_a_new_supervisor_takes_over_from_a_killed_one(daemon):
    first, controller, address = daemon.serve()
    _, pid = daemon.proxy(controller)
    first.kill()
    first.wait()
    assert ask(address) == (1, "one")
    wait_until(lambda: not alive(controller.pid), "the controller exits with its supervisor")
    second = daemon.start()
    again = daemon.controller()
    assert daemon.proxy(again) == (1, pid)
    again.configure(address)
    assert ask(address) == (1, "one")
    os.kill(pid, signal.SIGKILL)  # it watches the proxy though it is no child, and has its routes
    assert ask(address) == (2, "one")
    assert again.expect("proxy-gone")[0] == {"generation": "1", "status": "-1"}
    second.terminate()
    again.expect("terminate")
    again.send("terminated")
    assert second.wait(SLOW) == 0
    assert not reachable(address)


def test_after_a_takeover_the_restart_needs_no_controller(daemon):
    first, controller, address = daemon.serve()
    _, pid = daemon.proxy(controller)
    first.kill()
    first.wait()
    daemon.start()
    again = daemon.controller(go=False)
    os.kill(again.pid, signal.SIGSTOP)
    os.kill(pid, signal.SIGKILL)
    assert ask(address) == (2, "one")
    os.kill(again.pid, signal.SIGCONT)


def test_a_takeover_in_the_middle_of_an_upgrade_ends_with_one_current(daemon):
    first, controller, address = daemon.serve(drain_ms=60000)
    daemon.misbehave("unready")
    controller.send("upgrade token=1")
    generations = {daemon.proxy(controller)[0] for _ in range(2)}
    assert generations == {1, 2}
    first.kill()
    first.wait()
    daemon.behave()
    daemon.start()
    again = daemon.controller()
    assert daemon.proxy(again)[0] in generations
    wait_until(lambda: [p.name for p in (daemon.state / "proxy").iterdir()] == ["1.sock"],
               "the unready one is gone")
    again.configure(address)
    assert ask(address) == (1, "one")


def test_sigusr1_leaves_proxy_behind_for_the_next(daemon):
    first, controller, address = daemon.serve()
    _, pid = daemon.proxy(controller)
    first.send_signal(signal.SIGUSR1)
    assert first.wait(SLOW) == 0
    assert not alive(controller.pid)
    assert ask(address) == (1, "one") and alive(pid)
    daemon.start()
    again = daemon.controller()
    assert daemon.proxy(again) == (1, pid)


def test_a_proxy_that_dies_while_it_is_taken_over_is_replaced(daemon):
    first, controller, address = daemon.serve()
    _, pid = daemon.proxy(controller)
    first.kill()
    first.wait()
    os.kill(pid, signal.SIGSTOP)  # it takes the connection and says nothing
    daemon.start()
    wait_until(lambda: "generation 1: found" in daemon.log(), "the supervisor has found it")
    os.kill(pid, signal.SIGKILL)
    again = daemon.controller()
    again.configure(address)
    again.snapshot(1, "again")
    assert ask(address)[1] == "again"
    assert sorted(p.name for p in (daemon.state / "proxy").iterdir()) == ["2.sock"]


def test_a_proxy_that_hangs_while_it_is_taken_over_is_named(daemon):
    first, controller, address = daemon.serve()
    _, pid = daemon.proxy(controller)
    first.kill()
    first.wait()
    os.kill(pid, signal.SIGSTOP)
    daemon.start()
    again = daemon.controller()
    again.send(f"configure workers=1 listen={address}")
    text = again.expect("refused")[0]["text"]
    assert text.endswith(f"Address already in use by bascule-proxy (pid {pid})")
    assert "proxy generation 1 does not answer" in daemon.log()


def test_stale_sockets_are_removed(daemon):
    first, controller, _ = daemon.serve()
    _, pid = daemon.proxy(controller)
    os.kill(first.pid, signal.SIGSTOP)
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: not alive(pid), "the proxy is dead")
    first.kill()
    first.wait()
    assert [p.name for p in (daemon.state / "proxy").iterdir()] == ["1.sock"]
    daemon.start()
    daemon.controller()
    assert list((daemon.state / "proxy").iterdir()) == []


def test_the_lock_is_not_inherited(daemon):
    first, controller, _ = daemon.serve()
    first.kill()
    first.wait()
    with open(daemon.state / "serve.lock") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)


def test_it_links_libc_only():
    if not shutil.which("ldd"):
        pytest.skip("no ldd")
    for program in (SUPERVISOR, BUILD / "src" / "shim" / "bascule-shim"):
        linked = subprocess.run(["ldd", program], capture_output=True, text=True).stdout
        names = set(re.findall(r"(lib\w+)\.so|(lib[a-z]+)\.so", linked))
        flat = {a or b for a, b in names}
        assert flat <= {"libc", "libasan", "libubsan", "libtsan", "libm", "libgcc_s", "libstdc"}
