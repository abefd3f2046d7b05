# SPDX-License-Identifier: Apache-2.0
"""bascule-shim against real processes: what the contract in src/shim/shim.h promises."""
import fcntl
import os
import re
import signal
import socket
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from daemon import alive, wait_until

BUILD = Path(os.environ.get("BASCULE_BUILD", Path(__file__).resolve().parents[2] / "build"))
SHIM = BUILD / "src" / "shim" / "bascule-shim"
SLOW = 20.0 * float(os.environ.get("BASCULE_SLOW", 1))  # a bound for what takes milliseconds when the machine is free


class Instance:
    def __init__(self, directory):
        self.directory = directory
        self.process = None
        directory.mkdir(mode=0o700, exist_ok=True)

    def start(self, *command, options=(), **more):
        self.process = subprocess.Popen(
            [SHIM, "--directory", self.directory, "--id", "t", *map(str, options), "--", *command],
            stderr=subprocess.PIPE, text=True, **more)
        return self

    def state(self):
        try:
            lines = (self.directory / "state").read_text().splitlines()
        except FileNotFoundError:
            return {}
        return dict(line.split("=", 1) for line in lines)

    def phase(self, name):
        return wait_until(lambda: (s := self.state()).get("phase") == name and s, f"phase {name}")

    def pid(self):
        return int(self.phase("running")["pid"])

    def end(self, seconds=SLOW):
        return self.process.wait(seconds)

    def log(self, name="log"):
        path = self.directory / name
        return path.read_text() if path.exists() else ""

    def logged(self, text):
        return wait_until(lambda: text in self.log(), f"{text!r} in the log")

    def control(self, line):
        fd = os.open(self.directory / "control", os.O_WRONLY | os.O_NONBLOCK)
        os.write(fd, (line + "\n").encode())
        os.close(fd)

    def locked(self):
        with open(self.directory / "lock") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return False
            except BlockingIOError:
                return True


@pytest.fixture
def instance(tmp_path):
    made = Instance(tmp_path / "i")
    yield made
    if made.process and made.process.poll() is None:
        made.process.terminate()
        try:
            made.process.wait(15)
        except subprocess.TimeoutExpired:
            made.process.kill()
            made.process.wait()


def python(code):
    return [sys.executable, "-c", textwrap.dedent(code)]


def test_exit_status_and_both_outputs_are_kept(instance):
    instance.start("sh", "-c", "echo out; echo err >&2; exit 7")
    assert instance.end() == 0
    state = instance.state()
    assert state["phase"] == "exited"
    assert os.waitstatus_to_exitcode(int(state["wait_status"])) == 7
    assert state["boot_id"] == Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    assert int(state["shim_pid"]) == instance.process.pid
    assert int(state["started_ms"]) <= int(state["exited_ms"])
    assert "error" not in state
    assert sorted(instance.log().split()) == ["err", "out"]
    assert not (instance.directory / "control").exists()


def test_a_signal_that_killed_the_command_is_kept(instance):
    instance.start("sh", "-c", "kill -SEGV $$")
    assert instance.end() == 0
    assert os.waitstatus_to_exitcode(int(instance.state()["wait_status"])) == -signal.SIGSEGV


def test_while_it_runs_state_and_lock_say_so(instance):
    instance.start("sleep", "1000")
    pid = instance.pid()
    assert alive(pid) and instance.locked()
    stat = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    assert int(stat[2]) == pid, "its own process group"
    assert int(stat[3]) == instance.process.pid, "the shim leads the session"
    instance.process.terminate()
    assert instance.end() == 0
    assert not alive(pid) and not instance.locked()


def test_the_command_gets_a_clean_process(instance):
    code = """
        import os, signal
        mask = signal.pthread_sigmask(signal.SIG_BLOCK, [])
        assert mask == set(), mask
        status = dict(l.split(":\\t") for l in open("/proc/self/status") if ":\\t" in l)
        ignored = int(status["SigIgn"], 16) & ~(1 << signal.SIGPIPE - 1 | 1 << signal.SIGXFSZ - 1)
        assert ignored == 0, status["SigIgn"]  # Python itself ignores those two
        fds = sorted(int(f) for f in os.listdir("/proc/self/fd"))
        assert fds[:3] == [0, 1, 2] and len(fds) == 4, fds  # the fourth lists them
        assert os.readlink("/proc/self/fd/0") == "/dev/null"
        assert os.environ["COLOUR"] == "blue"
        print("clean", flush=True)
    """
    spare = os.open("/dev/null", os.O_RDONLY)
    os.set_inheritable(spare, True)
    try:
        instance.start(*python(code), env={**os.environ, "COLOUR": "blue"}, close_fds=False,
                       preexec_fn=lambda: signal.signal(signal.SIGUSR2, signal.SIG_IGN))
    finally:
        os.close(spare)
    assert instance.end() == 0
    assert instance.log() == "clean\n"


def test_output_is_rotated_by_size_at_line_ends(instance):
    instance.start("sh", "-c", "seq 1 5000", options=["--log-bytes", 4096, "--log-files", 3])
    assert instance.end() == 0
    names = sorted(path.name for path in instance.directory.glob("log*"))
    assert names == ["log", "log.1", "log.2"]
    kept = []
    for name in ("log.2", "log.1", "log"):
        text = instance.log(name)
        assert len(text) <= 4096 and text.endswith("\n")
        kept += map(int, text.split())
    assert kept == list(range(kept[0], 5001)), "the newest lines, whole and in order"


def test_a_line_longer_than_a_file_is_cut_and_nothing_of_it_lost(instance):
    instance.start("sh", "-c", "head -c 5000 /dev/zero | tr '\\0' x", options=["--log-bytes", 2048])
    assert instance.end() == 0
    assert [len(instance.log(n)) for n in ("log.2", "log.1", "log")] == [2048, 2048, 904]


def test_term_ignored_means_kill_after_the_grace(instance):
    instance.start("sh", "-c", "trap '' TERM; echo deaf; while :; do sleep 0.05; done")
    pid = instance.pid()
    instance.logged("deaf")
    began = time.monotonic()
    instance.control("stop 300")
    assert instance.end() == 0
    assert time.monotonic() - began >= 0.3
    assert os.waitstatus_to_exitcode(int(instance.state()["wait_status"])) == -signal.SIGKILL
    assert not alive(pid)


def test_term_is_enough_for_a_polite_command(instance):
    instance.start("sh", "-c",
                   "trap 'echo bye; exit 5' TERM; echo up; while :; do sleep 0.01; done")
    instance.logged("up")
    instance.control("stop 60000")
    assert instance.end() == 0
    assert os.waitstatus_to_exitcode(int(instance.state()["wait_status"])) == 5
    assert "bye" in instance.log()


def test_a_stopped_process_is_continued_to_hear_term(instance):
    instance.start("sh", "-c", "trap 'exit 4' TERM; echo up; while :; do sleep 0.01; done")
    instance.logged("up")
    os.kill(instance.pid(), signal.SIGSTOP)
    instance.control("stop 60000")
    assert instance.end() == 0
    assert os.waitstatus_to_exitcode(int(instance.state()["wait_status"])) == 4


def test_kill_does_not_wait(instance):
    instance.start("sh", "-c", "trap '' TERM; echo deaf; while :; do sleep 0.05; done")
    instance.logged("deaf")
    instance.control("stop 600000")
    instance.phase("stopping")
    instance.control("kill")
    assert instance.end() == 0
    assert os.waitstatus_to_exitcode(int(instance.state()["wait_status"])) == -signal.SIGKILL


def test_nonsense_on_the_control_pipe_is_ignored(instance):
    instance.start("sleep", "1000")
    instance.pid()
    for line in ("", "stop", "stop x", "stop -5", "stopp 1", "x" * 1000, "KILL"):
        instance.control(line)
    instance.control("stop 60000")
    assert instance.end() == 0
    assert os.waitstatus_to_exitcode(int(instance.state()["wait_status"])) == -signal.SIGTERM


SESSIONS = """
    import os, signal, sys, time
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    for depth in range(3):  # daemons: each in its own session, its parent gone
        if os.fork() == 0:
            os.setsid()
            if os.fork() == 0:
                print("pid", os.getpid(), flush=True)
                time.sleep(1000)
            os._exit(0)
    print("pid", os.getpid(), flush=True)
    time.sleep({sleep})
"""


def tree_pids(instance, count):
    wait_until(lambda: instance.log().count("pid") == count, "all processes have started")
    return [int(pid) for pid in re.findall(r"pid (\d+)", instance.log())]


def test_children_in_sessions_of_their_own_are_killed_too(instance):
    instance.start(*python(SESSIONS.format(sleep=1000)))
    pids = tree_pids(instance, 4)
    assert all(map(alive, pids))
    instance.control("stop 100")
    assert instance.end() == 0
    assert not any(map(alive, pids))


def test_what_an_exited_command_leaves_behind_is_ended(instance):
    instance.start(*python(SESSIONS.format(sleep=0)))
    pids = tree_pids(instance, 4)
    assert instance.end() == 0
    assert not any(map(alive, pids))
    assert os.waitstatus_to_exitcode(int(instance.state()["wait_status"])) == 0


def test_forking_without_end_is_ended_without_end_left(instance):
    code = """
        import os, signal, time
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)
        print("up", flush=True)
        while True:  # a chain: the parent leaves as soon as the child runs
            if os.fork():
                os._exit(0)
            os.setsid()
            time.sleep(0.002)
    """
    instance.start(*python(code), options=["--grace-ms", 50])
    assert instance.end() == 0
    assert instance.state()["phase"] == "exited"


def test_a_second_shim_for_the_same_directory_starts_nothing(instance, tmp_path):
    instance.start("sleep", "1000")
    instance.pid()
    before = instance.state()
    marker = tmp_path / "marker"
    second = subprocess.run([SHIM, "--directory", instance.directory, "--id", "t", "--", "touch",
                             marker], capture_output=True, text=True, timeout=SLOW)
    assert second.returncode == 3
    assert "locked by another shim" in second.stderr
    assert not marker.exists()
    assert instance.state() == before
    assert (instance.directory / "control").exists()


def test_exec_failure_is_told(instance):
    instance.start("/nonexistent/app", "x")
    assert instance.end() == 4
    state = instance.state()
    assert state["phase"] == "exited" and state["wait_status"] == "-1" and state["pid"] == "0"
    assert state["error"] == "exec /nonexistent/app: No such file or directory"


def test_a_missing_working_directory_is_told(instance):
    instance.start("true", options=["--chdir", "/nonexistent"])
    assert instance.end() == 4
    assert instance.state()["error"] == "chdir /nonexistent: No such file or directory"


def test_the_working_directory_is_used(instance):
    instance.start("pwd", options=["--chdir", "/usr"])
    assert instance.end() == 0
    assert instance.log() == "/usr\n"


def test_an_unknown_user_is_told(instance):
    instance.start("true", options=["--user", "no-such-user"])
    assert instance.end() == 4
    assert instance.state()["error"] == "user no-such-user: not known here"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
@pytest.mark.parametrize("user, uid, gid", [("nobody", 65534, 65534), ("12345", 12345, 12345)])
def test_the_user_is_switched_and_dies_with_the_shim_all_the_same(instance, user, uid, gid):
    instance.start("sh", "-c", "id -u; id -g; id -G; exec sleep 1000", options=["--user", user])
    pid = instance.pid()
    wait_until(lambda: instance.log().count("\n") == 3, "ids")
    assert instance.log().split() == [str(uid), str(gid), str(gid)]
    instance.process.kill()
    wait_until(lambda: not alive(pid), "the command dies")


def test_a_port_in_use_is_told_with_its_holder(instance):
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        instance.start("true", options=["--port", port])
        assert instance.end() == 4
    name = Path("/proc/self/comm").read_text().strip()
    assert instance.state()["error"] == f"port {port} is in use by {name} (pid {os.getpid()})"


def test_a_port_that_just_had_connections_is_free(instance):
    server = socket.create_server(("127.0.0.1", 0))
    port = server.getsockname()[1]
    client = socket.create_connection(("127.0.0.1", port))
    accepted, _ = server.accept()
    accepted.close()  # the server's side goes to TIME_WAIT
    assert client.recv(1) == b""
    client.close()
    server.close()
    instance.start("true", options=["--port", port])
    assert instance.end() == 0


def test_the_instance_dies_when_its_shim_is_killed(instance):
    instance.start("sleep", "1000")
    pid = instance.pid()
    instance.process.kill()
    wait_until(lambda: not alive(pid), "the command dies")
    assert instance.state()["phase"] == "running"
    wait_until(lambda: not instance.locked(), "the lock is free: nobody believes the state")


def test_it_survives_the_death_of_who_started_it(instance):
    starter = subprocess.Popen(
        ["sh", "-c", '"$@" & echo $!; wait', "sh", SHIM, "--directory", instance.directory, "--id",
         "t", "--", "sh", "-c", "while :; do echo tick; sleep 0.05; done"],
        stdout=subprocess.PIPE, text=True, start_new_session=True)
    shim = int(starter.stdout.readline())
    pid = instance.pid()
    os.killpg(starter.pid, signal.SIGKILL)
    starter.wait()
    before = instance.log().count("tick")
    wait_until(lambda: instance.log().count("tick") > before + 1, "it goes on")
    assert alive(pid) and alive(shim)
    instance.control("stop 1000")
    wait_until(lambda: not alive(shim), "it can be stopped by anyone")
    assert instance.state()["phase"] == "exited"


def test_a_time_out_stops_the_command(instance):
    instance.start("sleep", "1000", options=["--timeout-ms", 100])
    assert instance.end() == 0
    state = instance.state()
    assert state["error"] == "timed out"
    assert os.waitstatus_to_exitcode(int(state["wait_status"])) == -signal.SIGTERM


@pytest.fixture
def small_disk(tmp_path):
    point = tmp_path / "disk"
    point.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k,mode=700", "none", point],
                      capture_output=True).returncode:
        pytest.skip("mounting a tmpfs is not allowed here")
    yield point
    subprocess.run(["umount", "-l", point], check=True)


def test_a_full_disk_does_not_block_the_command_and_the_loss_is_counted(small_disk, tmp_path):
    instance = Instance(small_disk / "i")
    go = tmp_path / "go"
    code = f"""
        import os, sys, time
        print("start", flush=True)
        while not os.path.exists({str(go)!r}):
            time.sleep(0.01)
        sys.stdout.write("x" * 999 + "\\n")
        for i in range(1000):  # far more than a pipe and the disk hold
            sys.stdout.write("y" * 999 + "\\n")
        sys.stdout.flush()
        os.unlink({str(small_disk / "ballast")!r})
        while os.path.exists({str(go)!r}):
            time.sleep(0.01)
        print("there is room again", flush=True)
        sys.exit(9)
    """
    instance.start(*python(code))
    try:
        instance.logged("start")
        with open(small_disk / "ballast", "wb", buffering=0) as ballast:
            with pytest.raises(OSError):
                while True:
                    ballast.write(b"z" * 4096)
        go.touch()
        wait_until(lambda: not (small_disk / "ballast").exists(), "the command was not blocked")
        go.unlink()
        assert instance.end() == 0
    finally:
        if instance.process.poll() is None:
            instance.process.kill()
            instance.process.wait()
    assert os.waitstatus_to_exitcode(int(instance.state()["wait_status"])) == 9
    log = "".join(instance.log(name) for name in ("log.1", "log"))
    assert "there is room again" in log
    lost = int(re.search(r"\[bascule: (\d+) bytes of output were lost: No space left", log)[1])
    told = sum(len(line) + 1 for line in log.splitlines() if "bascule:" not in line)
    assert lost > 500_000
    assert abs(lost + told - len("start\n") - 1_001_000 - len("there is room again\n")) <= 1


def test_the_end_is_recorded_on_a_full_disk(small_disk):
    instance = Instance(small_disk / "i")
    instance.start("sh", "-c", "trap 'exit 6' TERM; while :; do sleep 0.01; done")
    instance.pid()
    with open(small_disk / "ballast", "wb", buffering=0) as ballast:
        with pytest.raises(OSError):
            while True:
                ballast.write(b"z" * 4096)
    instance.control("stop 10000")
    assert instance.end() == 0
    assert os.waitstatus_to_exitcode(int(instance.state()["wait_status"])) == 6


def test_idle_costs_no_wakeup(instance):
    instance.start("sleep", "1000")
    instance.pid()

    def switches():
        status = Path(f"/proc/{instance.process.pid}/status").read_text()
        return int(re.search(r"^voluntary_ctxt_switches:\s+(\d+)", status, re.M)[1])

    def settled():
        before = switches()
        time.sleep(0.05)
        return switches() == before

    wait_until(settled, "the shim is idle")
    before = switches()
    time.sleep(1)
    assert switches() == before


@pytest.mark.skipif(b"san_init" in SHIM.read_bytes() if SHIM.exists() else False,
                    reason="a sanitizer needs memory of its own")
def test_it_needs_less_than_500_kib(instance):
    instance.start("sleep", "1000")
    instance.pid()
    rollup = Path(f"/proc/{instance.process.pid}/smaps_rollup").read_text()
    assert int(re.search(r"^Pss:\s+(\d+) kB", rollup, re.M)[1]) <= 500


def test_usage_errors_name_the_option():
    run = subprocess.run([SHIM, "--directory", "x", "--port", "eighty", "--", "true"],
                         capture_output=True, text=True, timeout=SLOW)
    assert run.returncode == 2
    assert "--port: 'eighty' is not a number from 1 to 65535" in run.stderr


def test_a_symlinked_directory_is_refused(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    run = subprocess.run([SHIM, "--directory", tmp_path / "link", "--id", "t", "--", "true"],
                         capture_output=True, text=True, timeout=SLOW)
    assert run.returncode == 4
    assert not (tmp_path / "real" / "state").exists()
