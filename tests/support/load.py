# SPDX-License-Identifier: Apache-2.0
"""Load from outside: wrk, clients in threads, and one that remembers which version answered when."""
import functools
import http.client
import re
import signal
import subprocess
import tempfile
import threading
import time


class Wrk:
    """Constant load from wrk, between `with` and its end; then `requests` and `failed`. Each connection rests for
    `pause_ms` between two requests, which leaves the machine to others; 0: as many as possible."""

    def __init__(self, port, connections=4, path="/", fields=(), pause_ms=5):
        self.script = tempfile.NamedTemporaryFile("w", suffix=".lua")
        self.script.write(f"function delay() return {pause_ms} end\n" if pause_ms else "")
        self.script.flush()
        self.command = ["wrk", "-t1", f"-c{connections}", "-d3600", "--timeout", "60", "-s", self.script.name,
                        *(word for field in fields for word in ("-H", field)), f"http://127.0.0.1:{port}{path}"]
        self.requests, self.failed, self.output = 0, None, ""

    def __enter__(self):
        self.process = subprocess.Popen(self.command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        return self

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGINT)
        try:
            self.output, _ = self.process.communicate(timeout=60)
        finally:
            self.process.kill()
            self.process.wait()
            self.script.close()
        found = re.search(r"(\d+) requests in", self.output)
        assert found, self.output
        self.requests = int(found[1])
        errors = re.search(r"Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)", self.output)
        refused = re.search(r"Non-2xx or 3xx responses: (\d+)", self.output)
        self.failed = sum(map(int, errors.groups())) if errors else 0
        self.failed += int(refused[1]) if refused else 0


class Answer:
    """One request of the checking client."""
    __slots__ = ("sent", "done", "version", "status", "trouble")

    def __init__(self, sent, done, version, status, trouble=None):
        self.sent, self.done, self.version, self.status, self.trouble = sent, done, version, status, trouble

    def __repr__(self):
        return f"{self.sent:.3f}-{self.done:.3f} {self.version} {self.status} {self.trouble or ''}"


class Threads:
    """Run between `with` and its end, when `ending` is set."""

    def __init__(self, *targets):
        self.ending = threading.Event()
        self.threads = [threading.Thread(target=target) for target in targets]

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.ending.set()
        for thread in self.threads:
            thread.join()


class Client(Threads):
    """They ask in turn, every `pause_s`: half of them on one connection as long as it lives, half on a
    new one each time. Nothing is tried twice: what a user would see is what is counted."""

    def __init__(self, port, threads=2, pause_s=0.005, path="/", host=None, new=None, fields=()):
        self.port, self.pause_s, self.path = port, pause_s, path
        self.headers = dict(field.split(": ", 1) for field in fields) | ({"Host": host} if host else {})
        self.answers = []
        super().__init__(*(functools.partial(self._ask, number % 2 == 1 if new is None else new)
                           for number in range(threads)))

    def _ask(self, new):
        connection = None
        while not self.ending.is_set():
            sent = time.monotonic()
            try:
                connection = connection or http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
                connection.request("GET", self.path, headers=self.headers)
                reply = connection.getresponse()
                reply.read()
                self.answers.append(Answer(sent, time.monotonic(), reply.getheader("X-Version"), reply.status,
                                           reply.getheader("X-Bascule-Reason")))
                close = new or reply.will_close
            except (OSError, http.client.HTTPException) as error:
                self.answers.append(Answer(sent, time.monotonic(), None, None, repr(error)))
                close = True
            if close and connection:
                connection.close()
                connection = None
            self.ending.wait(self.pause_s)
        if connection:
            connection.close()

    def failed(self, since=0.0):
        """Those sent from then on that were not answered with 200."""
        return [answer for answer in list(self.answers) if answer.status != 200 and answer.sent >= since]


class Ledger:
    """Which versions may answer, by the clock of who gives the commands."""

    def __init__(self, live):
        self.live, self.changes = live, [(time.monotonic(), {live})]

    def may(self, *versions):
        """From now on these may answer; the command that changes it is given after this."""
        self.changes.append((time.monotonic(), {self.live, *versions}))

    def is_live(self, version):
        """The command is done: only this one answers from now on."""
        self.live = version
        self.changes.append((time.monotonic(), {version}))

    def wrong(self, answers):
        """Answers from a version that was not live while the request ran."""
        ends = [since for since, _ in self.changes[1:]] + [float("inf")]
        spans = [(since, until, versions) for (since, versions), until in zip(self.changes, ends)]
        return [answer for answer in answers if answer.status == 200 and not any(
            since <= answer.done and answer.sent <= until and answer.version in versions
            for since, until, versions in spans)]
