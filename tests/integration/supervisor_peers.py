# SPDX-License-Identifier: Apache-2.0
"""The supervisor and its two neighbours. Run as a program, it is a proxy or a controller that
speaks docs/protocol.md, small enough to be told what to do; imported, what a test needs to drive
them."""
import array
import contextlib
import fcntl
import os
import select
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

SELF = Path(__file__).resolve()
BUILD = Path(os.environ.get("BASCULE_BUILD", SELF.parents[2] / "build"))
SUPERVISOR = BUILD / "src" / "supervisor" / "bascule-supervisor"
SLOW = 20.0 * float(os.environ.get("BASCULE_SLOW", 1))  # a bound for what takes milliseconds when the machine is free


def receive(channel, seconds=None):
    """One message: (verb, {key: value}, descriptors); None when the other side closed."""
    if seconds is not None and not select.select([channel], [], [], seconds)[0]:
        raise TimeoutError(f"no message within {seconds} s")
    try:
        data, ancillary, _, _ = channel.recvmsg(4096, socket.CMSG_SPACE(4 * 128))
    except ConnectionResetError:
        return None
    fds = array.array("i")
    for level, kind, payload in ancillary:
        if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
            fds.frombytes(payload[:len(payload) - len(payload) % fds.itemsize])
    if not data:
        return None
    line, _, text = data.decode().partition(" text=")
    verb, *pairs = line.split(" ")
    values = dict(pair.split("=", 1) for pair in pairs if pair)
    if text:
        values["text"] = text
    return verb, values, list(fds)


def send(channel, line, fds=()):
    ancillary = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))] if fds else []
    channel.sendmsg([line.encode()], ancillary)


def memfd(text):
    fd = os.memfd_create("test", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    os.write(fd, text.encode())
    seals = fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_WRITE | fcntl.F_SEAL_SEAL
    fcntl.fcntl(fd, fcntl.F_ADD_SEALS, seals)
    return fd


class Proxy:
    """Answers every connection with "GENERATION ROUTES" and closes it. A file `behave` beside the
    program makes it misbehave: exit (at once), unready (never ready), mute (as long as it says
    so)."""

    def __init__(self, channel):
        behave = Path(sys.argv[0]).parent / "behave"
        self.behave = behave.read_text().strip() if behave.exists() else ""
        if self.behave == "exit":
            sys.exit(3)
        while self.behave == "mute" and behave.exists():
            time.sleep(0.01)
        self.channel, self.control, self.generation = channel, None, 0
        self.listening, self.snapshot, self.ready, self.retiring = {}, None, False, False
        self.counters = memfd("counters")

    def hello(self, channel):
        state = "retiring" if self.retiring else "current"
        pidfd = os.pidfd_open(os.getpid())
        send(channel, f"hello generation={self.generation} pid={os.getpid()} "
             f"workers={self.workers} state={state}", [pidfd, self.counters])
        os.close(pidfd)

    def taken_over(self):
        self.channel, _ = self.control.accept()
        self.hello(self.channel)
        for address, sockets in self.listening.items():
            send(self.channel, f"listen address={address} shared=0", [s.fileno() for s in sockets])
        if self.snapshot:
            send(self.channel, f"snapshot id={self.snapshot[0]}", [self.snapshot[1]])
        if self.ready and not self.retiring:
            send(self.channel, "ready")

    def on_channel(self):
        message = receive(self.channel)
        if message is None:
            self.channel.close()
            self.channel = None
            return
        verb, values, fds = message
        if verb == "start":
            self.generation, self.workers = int(values["generation"]), int(values["workers"])
            self.control = socket.socket(fileno=fds.pop())
            self.hello(self.channel)
        elif verb == "listen":
            self.listening[values["address"]] = [socket.socket(fileno=fd) for fd in fds]
        elif verb == "unlisten":
            for one in self.listening.pop(values["address"]):
                one.close()
        elif verb == "snapshot":
            self.snapshot = int(values["id"]), fds.pop()
            if not self.ready and self.behave != "unready":
                self.ready = True
                send(self.channel, "ready")
        elif verb == "ping":
            send(self.channel, f"pong id={values['id']}")
        elif verb == "retire":
            self.retiring = True
            self.listening = {}
            send(self.channel, "retired")
            signal.setitimer(signal.ITIMER_REAL, 0.3)  # a last request takes that long
            signal.signal(signal.SIGALRM, lambda *_: os._exit(0))

    def accept(self, listener):
        try:
            connection, _ = listener.accept()
        except OSError:  # another worker was faster, or it was just closed
            return
        routes = os.pread(self.snapshot[1], 4096, 0).decode()
        connection.sendall(f"{self.generation} {routes}".encode())
        connection.close()

    def run(self):
        while True:
            sources = [s for s in (self.channel, self.control) if s]
            listeners = [s for many in self.listening.values() for s in many] if self.ready else []
            for source in select.select(sources + listeners, [], [])[0]:
                if source is self.channel:
                    self.on_channel()
                elif source is self.control:
                    self.taken_over()
                else:
                    self.accept(source)


def run_controller(channel):
    """Hands its channel to the test (the socket is named by `test.sock` beside the program) and
    lives until the supervisor closes it."""
    test = socket.socket(socket.AF_UNIX)
    test.connect(str(Path(sys.argv[0]).parent / "test.sock"))
    socket.send_fds(test, [f"{os.getpid()} {' '.join(sys.argv[1:])}".encode()], [channel.fileno()])
    if test.recv(1) == b"x":
        print("bascule.yaml:1: this file is wrong", file=sys.stderr)
        sys.exit(2)
    poll = select.poll()
    poll.register(channel, 0)
    poll.poll()


class Controller:
    """The test's side of a controller: it reads and writes the very channel."""

    def __init__(self, connection):
        data, fds, _, _ = socket.recv_fds(connection, 4096, 1)
        pid, *self.arguments = data.decode().split(" ")
        self.pid, self.connection = int(pid), connection
        self.channel = socket.socket(fileno=fds[0])
        self.kept = []

    def go(self, byte=b"g"):
        self.connection.sendall(byte)

    def send(self, line, fds=()):
        send(self.channel, line, fds)

    def expect(self, verb, seconds=SLOW):
        """The next message with this verb; others are kept for later."""
        for index, message in enumerate(self.kept):
            if message[0] == verb:
                return self.kept.pop(index)[1:]
        end = time.monotonic() + seconds
        while True:
            message = receive(self.channel, max(0, end - time.monotonic()))
            assert message, f"the supervisor closed the channel, expected {verb}"
            if message[0] == verb:
                return message[1:]
            self.kept.append(message)

    def configure(self, *addresses, workers=2, drain_ms=2000):
        self.send(f"configure workers={workers} listen={','.join(addresses)} drain_ms={drain_ms}")
        return self.expect("configured")

    def snapshot(self, number, text):
        fd = memfd(text)
        self.send(f"snapshot id={number}", [fd])
        os.close(fd)
        assert self.expect("snapshot-taken")[0]["id"] == str(number)

    def close(self):
        self.channel.close()
        self.connection.close()


def free_address(host="127.0.0.1"):
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.bind((host, 0))
        port = probe.getsockname()[1]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def ask(address, seconds=SLOW):
    """What the fake proxy says: (generation, routes)."""
    host, port = address.rsplit(":", 1)
    with socket.create_connection((host.strip("[]"), int(port)), seconds) as connection:
        data = b""
        while part := connection.recv(4096):
            data += part
    generation, _, routes = data.decode().partition(" ")
    return int(generation), routes


class Daemon:
    """A state directory, a libexec directory with programs (the real proxy when told so), and the
    supervisors started on them."""

    def __init__(self, tmp_path, real_proxy=False):
        self.state, self.libexec = tmp_path / "state", tmp_path / "libexec"
        self.libexec.mkdir()
        self.test = socket.socket(socket.AF_UNIX)
        self.test.bind(str(self.libexec / "test.sock"))
        self.test.listen()
        self.test.settimeout(SLOW)
        for name in ("bascule-proxy", "bascule"):
            program = self.libexec / name
            program.write_text(f"#!{sys.executable}\n" + SELF.read_text())
            program.chmod(0o755)
        if real_proxy:
            (self.libexec / "bascule-proxy").unlink()
            (self.libexec / "bascule-proxy").symlink_to(BUILD / "src" / "proxy" / "bascule-proxy")
        self.started, self.controllers = [], []
        self.log_path = tmp_path / "log"

    def start(self, **more):
        more["env"] = {**more.get("env", os.environ), "BASCULE_TEST": str(self.state)}
        with open(self.log_path, "ab") as log:
            process = subprocess.Popen(
                [SUPERVISOR, "--state", self.state, "--config", "/etc/b.yaml", "--libexec",
                 self.libexec], stderr=log, stdout=log, **more)
        self.started.append(process)
        return process

    def controller(self, go=True):
        connection, _ = self.test.accept()
        controller = Controller(connection)
        self.controllers.append(controller)
        if go:
            controller.go()
        return controller

    def log(self):
        return self.log_path.read_text() if self.log_path.exists() else ""

    def proxy(self, controller):
        values, fds = controller.expect("proxy")
        for fd in fds:
            os.close(fd)
        return int(values["generation"]), int(values["pid"])

    def serve(self, *addresses, **more):
        """A supervisor, its controller, and the first address, which is served."""
        process = self.start()
        controller = self.controller()
        address = addresses or (free_address(),)
        controller.configure(*address, **more)
        controller.snapshot(1, "one")
        assert ask(address[0])[1] == "one"
        return process, controller, address[0]

    def misbehave(self, how):
        (self.libexec / "behave").write_text(how)

    def behave(self):
        (self.libexec / "behave").unlink()

    def left(self):
        """What was started here, by whomever, and still runs: its environment tells."""
        mark = f"BASCULE_TEST={self.state}\0".encode()
        for entry in Path("/proc").glob("[0-9]*"):
            try:
                if mark in (entry / "environ").read_bytes():
                    yield int(entry.name)
            except OSError:
                continue  # it ended meanwhile

    def close(self):
        for process in self.started:
            if process.poll() is None:
                process.kill()
            process.wait()
        while pids := list(self.left()):
            for pid in pids:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            time.sleep(0.01)
        for controller in self.controllers:
            controller.close()
        self.test.close()


def reachable(address):
    host, port = address.rsplit(":", 1)
    try:
        socket.create_connection((host.strip("[]"), int(port)), 5).close()
        return True
    except ConnectionResetError:
        return True  # it was still in the queue when the address was given up
    except ConnectionRefusedError:
        return False


if __name__ == "__main__":
    if "controller" in sys.argv:
        run_controller(socket.socket(fileno=3))
    else:
        Proxy(socket.socket(fileno=3)).run()
