#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A small web service that can be made to fail: what it answers and how it misbehaves is read from
the file `switches` in its working directory (lines of NAME=VALUE) and from the environment
(HELLO_NAME=VALUE, which wins). README.md lists the switches.

It does what bascule asks of a service: it listens where PORT says, answers /health, and when told to
stop (SIGTERM) it accepts nothing more, finishes the requests that it has and exits with status 0.
"""
import os
import signal
import socket
import socketserver
import sys
import threading
import time

VERSION = os.environ.get("VERSION", "unknown")
DEFAULTS = {
    "greeting": "hello",
    "start_delay": "0",   # seconds until it listens
    "listen": "yes",      # no: it runs but never listens
    "exit_at_start": "",  # a status: it exits with it at once
    "health": "200",      # the status of /health
    "health_delay": "0",  # seconds until /health answers
    "answer_delay": "0",  # seconds until any other request is answered
    "fail_percent": "0",  # of the other requests are answered with 500
    "crash_after": "",    # seconds after which it dies
    "ignore_term": "no",  # yes: only SIGKILL stops it
}
REASONS = {200: "OK", 404: "Not Found", 411: "Length Required", 500: "Internal Server Error",
           503: "Service Unavailable"}
BODY_MAX = 1 << 20


def pause(seconds):
    if float(seconds) > 0:
        time.sleep(float(seconds))


def read_switches():
    switches = dict(DEFAULTS)
    if os.path.exists("switches"):
        with open("switches", encoding="utf-8") as file:
            for line in file:
                name, equals, value = line.strip().partition("=")
                if equals and not name.startswith("#"):
                    switches[name.strip()] = value.strip()
    for name in DEFAULTS:
        switches[name] = os.environ.get("HELLO_" + name.upper(), switches[name])
    unknown = set(switches) - set(DEFAULTS)
    if unknown:
        sys.exit(f"hello: unknown switch {', '.join(sorted(unknown))}")
    return switches


class Connection(socketserver.StreamRequestHandler):
    """Requests one after the other. http.server would do, but it is three times as slow."""
    disable_nagle_algorithm = True
    busy = False

    def handle(self):
        self.server.connections.add(self)
        if self.server.stopping:
            self.connection.settimeout(1)  # it came while we were closing
        try:
            while self.answer_one():
                self.busy = False
        except (ConnectionError, TimeoutError):
            pass  # the other side went away
        finally:
            self.server.connections.discard(self)

    def answer_one(self):
        """Returns whether another request may follow."""
        line = self.rfile.readline(8192)
        if not line:
            return False
        self.busy = True
        method, _, rest = line.decode("latin-1").partition(" ")
        path, _, protocol = rest.strip().partition(" ")
        fields = {}
        while (line := self.rfile.readline(8192)) not in (b"\r\n", b"\n", b""):
            name, _, value = line.decode("latin-1").partition(":")
            fields[name.lower()] = value.strip()
        last = fields.get("connection", "").lower() == "close" or protocol != "HTTP/1.1"
        if "transfer-encoding" in fields or int(fields.get("content-length") or 0) > BODY_MAX:
            status, text, last = 411, "say how long the body is, at most 1 MiB\n", True
        else:
            if fields.get("expect", "").lower() == "100-continue":
                self.wfile.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            self.rfile.read(int(fields.get("content-length") or 0))
            status, text = self.server.answer(path.partition("?")[0])
        last = last or self.server.stopping
        self.send(status, text, last, method == "HEAD")
        return not last

    def send(self, status, text, last, head_only):
        body = text.encode()
        head = (f"HTTP/1.1 {status} {REASONS.get(status, 'Status')}\r\n"
                "Content-Type: text/plain; charset=utf-8\r\n"
                f"Content-Length: {len(body)}\r\n"
                f"X-Version: {VERSION}\r\n"
                + ("Connection: close\r\n" if last else "") + "\r\n").encode()
        self.wfile.write(head if head_only else head + body)


class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    request_queue_size = 1024
    daemon_threads = False  # server_close waits for the requests under way
    stopping = False

    def __init__(self, address, switches):
        self.switches = switches
        self.connections = set()
        self.count = 0
        super().__init__(address, Connection)

    def answer(self, path):
        switches = self.switches
        if path == "/health":
            pause(switches["health_delay"])
            return int(switches["health"]), f"{VERSION} answers with {switches['health']}\n"
        if path.startswith("/sleep/"):
            pause(min(float(path[len("/sleep/"):]), 60))
        pause(switches["answer_delay"])
        self.count += 1
        percent = int(switches["fail_percent"])
        if self.count * percent // 100 != (self.count - 1) * percent // 100:
            return 500, f"{VERSION} fails {percent} % of its requests\n"
        return 200, f"{switches['greeting']} from {VERSION}\n"

    def stop(self):
        """Idle connections see the end of their input; what has already arrived is still answered."""
        self.stopping = True
        self.shutdown()
        for connection in list(self.connections):
            if not connection.busy:
                try:
                    connection.connection.shutdown(socket.SHUT_RD)
                except OSError:
                    pass  # it left by itself


def main():
    switches = read_switches()
    if switches["exit_at_start"]:
        sys.exit(int(switches["exit_at_start"]))
    if switches["crash_after"]:
        def crash():
            print("hello: crashing as told", flush=True)
            os._exit(70)
        timer = threading.Timer(float(switches["crash_after"]), crash)
        timer.daemon = True
        timer.start()
    if switches["ignore_term"] == "yes":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    pause(switches["start_delay"])
    if switches["listen"] != "yes":
        print("hello: running, but not listening", flush=True)
        while True:
            signal.pause()
    with Server(("127.0.0.1", int(os.environ["PORT"])), switches) as server:
        if switches["ignore_term"] != "yes":
            signal.signal(signal.SIGTERM,
                          lambda *_: threading.Thread(target=server.stop).start())
        print(f"hello: {VERSION} listens on {server.server_address[1]}", flush=True)
        server.serve_forever(poll_interval=0.05)
    print("hello: finished", flush=True)


if __name__ == "__main__":
    main()
