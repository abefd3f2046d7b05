# SPDX-License-Identifier: Apache-2.0
"""Plays the supervisor and the controller for one bascule-proxy (docs/protocol.md).

    with Proxy(workers=2) as proxy:
        proxy.route("web", {"blue": ["127.0.0.1:9001"]})
        proxy.connect().sendall(...)
"""
import array
import json
import mmap
import os
import pathlib
import shutil
import socket
import struct
import subprocess
import tempfile
import time
import typing

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("BASCULE_BUILD", ROOT / "build"))
# A sanitizer's own memory says nothing about the program's.
SANITIZED = b"__sanitizer" in (BUILD / "src/proxy/bascule-proxy").read_bytes()
# Sanitizers and loaded machines are slow; nothing waits so long when all is well.
PATIENCE_S = 20.0 * float(os.environ.get("BASCULE_SLOW", 1))


class Fact(typing.NamedTuple):
    """What a worker told of a user of an A/B test; `goals` is a bit for each, `value` a number or None."""
    user: int
    trial: int
    green: bool
    goals: int
    value: float | None


def receive_message(channel, timeout=PATIENCE_S):
    channel.settimeout(timeout)
    text, fds, _, _ = socket.recv_fds(channel, 4096, 128)
    words = text.decode().split()
    if not words:
        raise EOFError("the proxy closed its channel")
    return words[0], dict(w.split("=", 1) for w in words[1:]), fds


def listening_sockets(count, host="127.0.0.1"):
    """`count` sockets of one address, as the supervisor makes them."""
    found, port = [], 0
    for _ in range(count):
        s = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        s.bind((host, port))
        s.listen(1024)
        port = s.getsockname()[1]
        found.append(s)
    return found, port


def log_lines(path, count):
    """The lines of an access log, when there are so many."""
    def enough():
        found = path.read_text().splitlines() if path.exists() else []
        return found if len(found) >= count else None
    return eventually(enough, what=f"{count} lines")


class Proxy:
    def __init__(self, workers=1, sockets=None, listeners=None, snapshot=None, controller=True,
                 generation=1, wrapper=(), limit=None, shared=False, start=""):
        self.workers, self.generation = workers, generation
        self.directory = tempfile.mkdtemp(prefix="bascule-proxy-")
        self.messages, self.lines, self.seq, self.next_id = [], [], 0, 1
        self.gauges, self.cells, self.split_generation = {}, {}, 0
        self.protocols = {}  # of services whose instances don't speak HTTP/1.1
        self.secured = {}  # "tls" of instances, by service
        self.takeover_path = f"{self.directory}/{generation}.sock"
        takeover = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        takeover.bind(self.takeover_path)
        takeover.listen(4)
        self.channel, other = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.log = open(f"{self.directory}/log", "w+b")
        prepare = None
        if limit:
            import resource
            prepare = lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
        self.process = subprocess.Popen(
            [*wrapper, str(BUILD / "src/proxy/bascule-proxy"), "--channel", str(other.fileno())],
            pass_fds=[other.fileno()], stderr=self.log, preexec_fn=prepare)
        other.close()
        self.listeners = listeners or listening_sockets(sockets or workers)[0]
        self.port = self.listeners[0].getsockname()[1]
        self.say(f"start generation={generation} workers={workers} control=1 {start}".strip(), [takeover])
        takeover.close()
        _, self.hello, fds = self.expect("hello")
        self.pidfd, self.counters_fd = fds
        self.say(f"listen address=127.0.0.1:{self.port} shared={int(shared)}", self.listeners)
        if snapshot is not None:
            self.give_snapshot(1, snapshot)
            self.expect("ready")
        if controller:
            self.connect_controller()

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        try:
            self.close()
        finally:
            if self.process.poll() is None:
                self.process.kill()
                self.process.wait()
            self.log.seek(0)
            text = self.log.read().decode(errors="replace")
            self.log.close()
            shutil.rmtree(self.directory, ignore_errors=True)
            if kind or "Sanitizer" in text:
                print(text)
        assert "Sanitizer" not in text and "runtime error" not in text

    def close(self):
        """Retires the proxy; it must exit cleanly."""
        if self.process.poll() is None:
            if self.channel.fileno() == -1:
                self.adopt()
            try:
                self.say("retire drain_ms=0")
            except (BrokenPipeError, ConnectionResetError):
                pass  # retired by its test, it has just ended
            try:
                status = self.process.wait(PATIENCE_S)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
                raise
            assert status == 0, f"the proxy exited with {status}"
        for s in [self.channel, *self.listeners]:
            s.close()
        for fd in (self.pidfd, self.counters_fd):
            os.close(fd)

    # --- the supervisor's words

    def say(self, text, fds=()):
        socket.send_fds(self.channel, [text.encode()],
                        [f if isinstance(f, int) else f.fileno() for f in fds])

    def expect(self, verb, timeout=PATIENCE_S):
        """The next message with that verb; others before it are dropped."""
        while True:
            message = receive_message(self.channel, timeout)
            if message[0] == verb:
                return message

    def ping(self):
        started, name = time.monotonic(), str(self.next_id)
        self.next_id += 1
        self.say(f"ping id={name}")
        assert self.expect("pong")[1]["id"] == name
        return time.monotonic() - started

    def give_snapshot(self, number, lines):
        fd = os.memfd_create("snapshot")
        os.write(fd, "".join(json.dumps(line) + "\n" for line in lines).encode())
        self.say(f"snapshot id={number}", [fd])
        os.close(fd)

    def adopt(self):
        """A new supervisor connects; returns what the proxy tells it, up to `ready`."""
        self.channel.close()
        self.channel = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.channel.connect(self.takeover_path)
        told = []
        while not told or told[-1][0] != "ready":
            told.append(receive_message(self.channel))
        return told

    # --- the controller's lines

    def connect_controller(self, epoch=1):
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        self.say("controller", [theirs])
        theirs.close()
        ours.settimeout(PATIENCE_S)
        self.stream, self.reader, self.epoch = ours, ours.makefile("r"), epoch
        return json.loads(self.reader.readline())["hello"]

    def send_lines(self, lines):
        self.stream.sendall("".join(json.dumps(line) + "\n" for line in lines).encode())

    def answers(self, seq):
        """Reads until `seq` is acknowledged or refused; returns the refusals."""
        refused = []
        while True:
            line = json.loads(self.reader.readline())
            if "error" in line:
                refused.append(line["error"])
                if line["error"]["seq"] in (seq, 0):
                    return refused
            elif line.get("ack") == seq:
                assert line["epoch"] == self.epoch
                return refused
            else:
                self.lines.append(line)

    def tell(self, **line):
        """One change; waits until every worker has it."""
        self.seq += 1
        self.send_lines([{"seq": self.seq, **line}])
        refused = self.answers(self.seq)
        assert not refused, refused
        return self.seq

    def begin(self, lines, epoch=None, **hello):
        """The whole state, from hello to end."""
        self.epoch = epoch or self.epoch
        numbered = [{"hello": {"protocol": 1, "epoch": self.epoch, **hello}}]
        for line in [*lines, {"end": True}]:
            self.seq += 1
            numbered.append({"seq": self.seq, **line})
        self.send_lines(numbered)
        return self.answers(self.seq)

    def service_lines(self, name, slots, weights=None, routes=None, **options):
        """`slots`: {"blue": [address, ...]}. All traffic goes to the first of them."""
        routes = routes or [{"host": None, "path": "/"}]
        live = next(iter(slots))
        weights = weights or {s: 10000 if s == live else 0 for s in ("blue", "green")}
        return [{"service": {"name": name, "routes": routes, **options}},
                {"instances": self.roster(name, slots)},
                {"splits": [self.split(name, weights)]}]

    def roster(self, name, slots, ill=(), leaving=()):
        items = []
        for slot, addresses in slots.items():
            for address in addresses:
                key = (name, slot, address)
                gauge = self.gauges.setdefault(key, len(self.gauges) + 1)
                items.append({"id": f"{name}-{slot}-{gauge}", "slot": slot, "address": address,
                              "gauge": gauge, "healthy": address not in ill, "leaving": address in leaving,
                              "protocol": self.protocols.get(name, "http1"),
                              "tls": self.secured.get(name)})
        return {"service": name, "list": items}

    def split(self, name, weights, **rescue):
        self.split_generation += 1
        cells = {s: self.cells.setdefault((name, s), len(self.cells)) for s in weights}
        return {"service": name, "generation": self.split_generation, "weights": weights,
                "cells": cells, **rescue}

    def route(self, name, slots, **options):
        refused = self.begin(self.service_lines(name, slots, **options))
        assert not refused, refused
        self.expect("ready")

    def switch(self, name, slot):
        weights = {s: 10000 if s == slot else 0 for s in ("blue", "green")}
        return self.tell(splits=[self.split(name, weights)])

    def log_to(self, path, words="format=json addresses=full"):
        """Has requests logged there from now on."""
        fd = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        with open(fd, "ab", buffering=0) as file:
            self.say(f"access-log {words}", [file])
        self.ping()

    # --- counters (src/proxy/counters.h)

    GAUGES, CELLS, BUCKETS = 65536, 65536, 464
    BAD_BYTES = 8 * 157
    GAUGE_BYTES = 8 * len(["started", "finished", "errors"])
    NAMES = ["claimed", "answered", "requests", "errors", "s0", "s1", "s2", "s3", "s4", "s5", "no_instance",
             "connect_failed", "reset", "timed_out", "client_left", "retries",
             "rescued_status", "rescued_no_instance", "rescued_connect", "rescued_reset",
             "rescued_timeout", "rescue_failed", "rescue_refused", "queued", "queue_refused", "queue_timed_out",
             "ejections", "bytes_in", "bytes_out", "latency_sum_us"]
    SHARD = ["connections_opened", "connections_closed", "held", "held_refused", "held_timed_out",
             "own_answers", "loops", "access_dropped", "rate_limited", "connections_refused", "overloaded", "scarce",
             "idle_closed", "h2_floods", "h2_refused_streams"]
    SHARD_BYTES = (8 * len(SHARD) + 63) // 64 * 64

    def _words(self, offset, count):
        if not hasattr(self, "_map"):
            self._map = mmap.mmap(self.counters_fd, 0, mmap.MAP_SHARED, mmap.PROT_READ)
        a = array.array("Q")
        a.frombytes(self._map[offset:offset + 8 * count])
        return a

    def _shards(self, copies=False):
        cell_bytes = 8 * (len(self.NAMES) + self.BUCKETS)
        size = os.fstat(self.counters_fd).st_size
        stride = (size - 4096) // (self.workers + 1)  # one more, for copies of requests
        return [(4096 + i * stride, cell_bytes) for i in range(self.workers + copies)]

    def shard_total(self, name):
        return sum(self._words(at, len(self.SHARD))[self.SHARD.index(name)]
                   for at, _ in self._shards())

    def gauge(self, name, slot, address, copies=False):
        self.ping()  # what was answered is counted a moment later
        started = finished = 0
        number = self.gauges[(name, slot, address)]
        for at, _ in self._shards(copies):
            pair = self._words(at + self.SHARD_BYTES + self.GAUGE_BYTES * number, 2)
            started, finished = started + pair[0], finished + pair[1]
        return started, finished

    def cell(self, name, slot):
        self.ping()
        number, total = self.cells[(name, slot)], [0] * len(self.NAMES)
        for at, cell_bytes in self._shards():
            words = self._words(at + self.SHARD_BYTES + self.GAUGE_BYTES * self.GAUGES + cell_bytes * number, len(total))
            total = [a + b for a, b in zip(total, words)]
        return dict(zip(self.NAMES, total))

    def facts(self):
        """What each worker told of the users of A/B tests, in its order."""
        facts = []
        for at, cell_bytes in self._shards():
            at += self.SHARD_BYTES + self.GAUGE_BYTES * self.GAUGES + (cell_bytes + self.BAD_BYTES) * self.CELLS
            words = self._words(at + 64, 4 * self._words(at, 1)[0])
            facts.append([Fact(*words[i:i + 2], words[i + 2] & 1 == 1, words[i + 2] >> 8,
                               struct.unpack("d", struct.pack("Q", words[i + 3]))[0] if words[i + 2] & 2 else None)
                          for i in range(0, len(words), 4)])
        return facts

    # --- clients

    def connect(self, timeout=PATIENCE_S):
        s = socket.create_connection(("127.0.0.1", self.port), timeout)
        s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return s

    def get(self, path="/", **kwargs):
        with self.connect() as s:
            return ask(s, path, **kwargs)


def ask(s, path="/", method="GET", host="test", headers=(), body=b"", version="1.1"):
    """One request on the socket; (status, headers, body)."""
    lines = [f"{method} {path} HTTP/{version}", f"Host: {host}", *headers]
    if body:
        lines.append(f"Content-Length: {len(body)}")
    s.sendall("\r\n".join([*lines, "", ""]).encode() + body)
    return read_answer(s, method)


def read_answer(s, method="GET"):
    import http.client
    answer = http.client.HTTPResponse(s, method=method)
    answer.begin()
    body = answer.read()
    return answer.status, dict(answer.getheaders()), body


def eventually(condition, timeout=PATIENCE_S, what="condition"):
    """Waits until `condition()` is true and returns its value."""
    end = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < end, f"not in {timeout} s: {what}"
        time.sleep(0.01)
