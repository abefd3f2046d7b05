# SPDX-License-Identifier: Apache-2.0
"""`bascule serve` as a user runs it: a configuration in a directory of its own, the command line, and at the
end the proof that no process of it is left."""
import contextlib
import json
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BUILD = Path(os.environ.get("BASCULE_BUILD", ROOT / "build")).resolve()
BASCULE = BUILD / "src" / "bascule"
HELLO = ROOT / "examples" / "hello"
PYTHON = sys.executable
SLOW = float(os.environ.get("BASCULE_SLOW", 1))
PATIENCE_S = 60.0 * SLOW  # a bound for what takes a second on a free machine
ENDED = ("promoted", "staged", "rolled-back", "failed", "cancelled", "superseded")


taken_ports = []  # a name each, which no other test on this machine can have while this process lives


def reserved(name):
    """The socket that holds `name` for this process until it is closed; None when another test has it."""
    holder = socket.socket(socket.AF_UNIX)
    try:
        holder.bind(f"\0bascule-test-{name}")
    except OSError:
        holder.close()
        return None
    return holder


def free_port():
    """Below the range that the kernel takes outgoing connections from, so that nobody else takes it by chance."""
    while True:
        port = random.randint(10000, 20999)
        if not (holder := reserved(f"port-{port}")):
            continue
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            taken_ports.append(holder)
            return port
        holder.close()


class PortRange:
    """Ports for the instances of one daemon, as its configuration says them ("21000-21099"), from bascule's default
    range. Two daemons with the same ports would have the health checks of one answered by an instance of the other."""

    SIZE = 100

    def __init__(self):
        blocks = list(range(21000, 32000, self.SIZE))
        random.shuffle(blocks)
        for self.first in blocks:
            if holder := reserved(f"instances-{self.first}"):
                self.holder = holder
                return
        raise RuntimeError("other daemons have all ports")

    def __str__(self):
        return f"{self.first}-{self.first + self.SIZE - 1}"

    def close(self):
        self.holder.close()


def wait_until(condition, what, seconds=PATIENCE_S, pause_s=0.05):
    """The first true value of `condition`."""
    until = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < until, f"never: {what}"
        time.sleep(pause_s)
    return value


def alive(pid):
    """A zombie is not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


def processes_of(folder):
    """{pid: command} of all that was started for it: its path is in their arguments or environment."""
    found, mark = {}, os.fsencode(folder)
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        with contextlib.suppress(OSError):
            command = (entry / "cmdline").read_bytes()
            if mark in command + (entry / "environ").read_bytes() and alive(entry.name):
                found[int(entry.name)] = command.replace(b"\0", b" ").decode(errors="replace")
    return found


def hello(folder, **more):
    """A service of examples/hello whose releases are folders below `folder`."""
    return {"command": [PYTHON, str(HELLO / "app.py")], "directory": f"{folder}/releases/${{VERSION}}",
            "environment": {"OF": str(folder)}, "replicas": 2, "route": {"path": "/"},
            "health": {"path": "/health", "interval": "200ms", "timeout": "5s", "deadline": "20s"},
            "deploy": {"bake": "0s", "standby": "10m", "drain": "10s"}, **more}


class Daemon:
    """One state directory. `services` is the configuration's section; the default is one of examples/hello."""

    def __init__(self, services=None, workers=2, user=None):
        self.folder = Path(tempfile.mkdtemp(prefix="bsc-"))
        self.state = self.folder / "state"
        self.file = self.folder / "bascule.yaml"
        self.log = self.folder / "serve.log"
        self.port, self.workers, self.user = free_port(), workers, user
        self.ports = PortRange()
        self.process = None
        shutil.copytree(HELLO / "releases", self.folder / "releases")
        self.services = services if services is not None else {"web": hello(self.folder)}

    def release(self, version, **switches):
        """A new release of examples/hello."""
        folder = self.folder / "releases" / version
        folder.mkdir(exist_ok=True)
        (folder / "switches").write_text("".join(f"{name}={value}\n" for name, value in switches.items()))

    def configure(self, **top):
        """Writes the file; JSON is YAML."""
        self.file.write_text(json.dumps({
            "listen": {"http": f"127.0.0.1:{self.port}"}, "proxy": {"workers": self.workers}, "ports": str(self.ports),
            "services": self.services, **top}, indent=1))

    def environment(self):
        return {"PATH": os.environ["PATH"], "HOME": str(self.folder), "LANG": "C.UTF-8", "TZ": "UTC",
                "BASCULE_STATE": str(self.state), "BASCULE_CONFIG": str(self.file), "OF": str(self.folder)}

    def spawn(self, *words):
        """`bascule serve`, not waited for."""
        with open(self.log, "ab") as log:
            return subprocess.Popen([BASCULE, "serve", *words], stdout=log, stderr=log, env=self.environment(),
                                    cwd=self.folder, start_new_session=True)

    def start(self):
        if not self.file.exists():
            self.configure()
        self.process = self.spawn()
        self.wait_ready()
        return self

    def wait_ready(self):
        def is_ready():
            assert self.process.poll() is None, self.log.read_text()
            with contextlib.suppress(OSError):
                socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE_S).close()
                return self.run("status", "-q").returncode == 0
        wait_until(is_ready, "the daemon is ready")

    def run(self, *words, **more):
        return subprocess.run([BASCULE, *map(str, words)], env=self.environment(), cwd=self.folder,
                              capture_output=True, text=True, timeout=2 * PATIENCE_S, **more)

    def do(self, *words):
        """A command that must work; what it printed."""
        done = self.run(*words)
        assert done.returncode == 0, f"bascule {' '.join(map(str, words))}: {done.returncode}\n{done.stdout}{done.stderr}"
        return done.stdout

    def json(self, *words):
        return json.loads(self.do(*words, "--json"))

    def pid(self, which):
        return wait_until(lambda: self.status_or_none()["processes"][which], f"{which} runs")

    def status_or_none(self):
        """None-like while the controller is away."""
        answer = self.run("status", "--json")
        return json.loads(answer.stdout) if answer.returncode == 0 else {"processes": {which: None for which in (
            "supervisor", "controller", "proxy")}, "services": []}

    def service(self, name="web"):
        return self.json("status", name)

    def slot(self, which="live", name="web"):
        service = self.service(name)
        return service["slots"][service["live"] if which == "live" else which]

    def live(self, name="web"):
        return self.slot("live", name)["version"]

    def instance_pids(self, name="web"):
        return {instance["id"]: instance["pid"] for slot in self.service(name)["slots"].values()
                for instance in slot["instances"]}

    def records(self, name="web"):
        return self.json("history", name)

    def settled(self, name="web"):
        """Waits until no rollout is at work; the newest one."""
        def over():
            service = self.service(name)
            return service["last_rollout"] if service["rollout"] is None else None
        last = wait_until(over, "the rollout ends", pause_s=0.1)  # each look is a process
        assert last["status"] in ENDED, last
        return last

    def stop(self, expected=0):
        """SIGTERM; asserts how it exits and that nothing is left."""
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            assert self.process.wait(2 * PATIENCE_S) == expected, self.log.read_text()
        wait_until(lambda: not processes_of(self.folder), f"no process is left: {processes_of(self.folder)}", 10)

    def kill_all(self):
        """As a power loss."""
        while left := processes_of(self.folder):
            for pid in left:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            if self.process:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    self.process.wait(1)

    def close(self):
        """The end of a test, however it went."""
        with contextlib.suppress(OSError):
            print(f"--- {self.log}\n{self.log.read_text(errors='replace')[-20000:]}---")
        try:
            self.stop()
        finally:
            self.kill_all()
            self.ports.close()
            shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
