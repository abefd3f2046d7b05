# SPDX-License-Identifier: Apache-2.0
"""A running daemon with one service of static targets, whose health a test decides, and its command line."""
import http.client
import http.server
import json
import os
import signal
import subprocess
import threading
import time

from daemon import BASCULE, free_port, wait_until

SLOW = 30.0 * float(os.environ.get("BASCULE_SLOW", 1))  # seconds; a bound for what takes a fraction of one when the machine is free

CONFIG = """\
listen: {{ http: "127.0.0.1:{port}" }}
proxy: {{ workers: 1 }}
services:
  web:
    targets: {{ blue: [{blue}], green: [{green}] }}
    route: {{ path: / }}
    health: {{ path: /health, interval: 200ms, timeout: 500ms, rise: 1, fall: 2, deadline: {deadline} }}
    deploy: {{ bake: {bake}, standby: 10m, drain: 1s, switch_timeout: {switch_timeout} }}
"""


class Target:
    """An application that something else runs: says its environment's name, is as healthy as it is told."""

    def __init__(self, environment):
        self.mode = "pass"  # or "fail", or "hang" until it is changed
        target = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                if self.path == "/health":
                    while target.mode == "hang":
                        time.sleep(0.02)
                body = environment.encode()
                self.send_response(503 if self.path == "/health" and target.mode == "fail" else 200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def handle(self):
                try:
                    super().handle()
                except OSError:  # the probe gave up
                    pass

            def log_message(self, *words):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.address = "127.0.0.1:%d" % self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()

    def stop(self):
        self.mode = "pass"
        self.server.shutdown()
        self.server.server_close()


class Answer:
    """What a command printed as JSON, and how it ended."""

    def __init__(self, status, output, errors):
        self.exit, self.errors = status, errors
        self.json = json.loads(output) if output.strip() else None

    @property
    def refusal(self):
        """The error's name, as "invalid-state"."""
        return self.json["type"].removeprefix("urn:bascule:")


class Daemon:
    def __init__(self, folder, targets=2, bake="0s", deadline="1s", switch_timeout="10s"):
        self.folder, self.port = folder, free_port()
        self.blue = [Target("blue") for _ in range(targets)]
        self.green = [Target("green") for _ in range(targets)]
        (folder / "bascule.yaml").write_text(CONFIG.format(
            port=self.port, bake=bake, deadline=deadline, switch_timeout=switch_timeout,
            blue=", ".join(f'"{target.address}"' for target in self.blue),
            green=", ".join(f'"{target.address}"' for target in self.green)))
        self.log = open(folder / "serve.log", "wb")
        self.process = subprocess.Popen(
            [BASCULE, "serve", "--config", folder / "bascule.yaml", "--state", folder / "state"],
            stdout=self.log, stderr=self.log)
        wait_until(self.is_ready, "the daemon answers")

    def is_ready(self):
        assert self.process.poll() is None, (self.folder / "serve.log").read_text()
        return self.begin("status").wait() == 0

    def stop(self):
        for target in self.blue + self.green:
            target.stop()
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(SLOW)
        finally:
            self.process.kill()
            self.process.wait()
            self.log.close()

    def health(self, environment, *modes):
        """`modes`: one for all targets, or one for each."""
        targets = self.blue if environment == "blue" else self.green
        for target, mode in zip(targets, modes * len(targets) if len(modes) == 1 else modes):
            target.mode = mode

    def begin(self, *words):
        return subprocess.Popen([BASCULE, "--state", self.folder / "state", *words, "--json"],
                                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def end(self, process):
        output, errors = process.communicate(timeout=SLOW)
        return Answer(process.returncode, output, errors)

    def run(self, *words):
        return self.end(self.begin(*words))

    def web(self):
        return self.run("status", "web").json

    def states(self):
        """As ("live", "idle"): blue's and green's."""
        slots = self.web()["slots"]
        return slots["blue"]["state"], slots["green"]["state"]

    def versions(self):
        slots = self.web()["slots"]
        return slots["blue"]["version"], slots["green"]["version"]

    def records(self):
        return self.run("history", "web").json

    def history(self):
        """As [("green", "v1", "live")]."""
        return [(one["environment"], one["version"], one["status"]) for one in self.records()]

    def served_by(self):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=SLOW)
        try:
            connection.request("GET", "/")
            return connection.getresponse().read().decode()
        finally:
            connection.close()

    def assert_live(self, environment):
        web = self.web()
        assert web["live"] == environment
        assert [name for name, slot in web["slots"].items() if slot["state"] == "live"] == [environment]
        assert {name: slot["weight_bp"] for name, slot in web["slots"].items()} == {
            "blue": 10000 * (environment == "blue"), "green": 10000 * (environment == "green")}
        assert self.served_by() == environment
        assert [one["status"] for one in self.records()].count("live") <= 1

    def seen(self):
        """Everything that a refused command may not change."""
        web = self.web()
        slots = {name: (slot["state"], slot["version"], slot["weight_bp"], slot["record"])
                 for name, slot in web["slots"].items()}
        return web["live"], slots, (web["rollout"] or {}).get("id"), self.records()

    def refuses(self, name, status, *words):
        """The command is refused by that name and exit status, and nothing changes."""
        before = self.seen()
        answer = self.run(*words)
        assert answer.exit == status, (answer.json, answer.errors)
        assert answer.refusal == name, answer.json
        assert answer.json["detail"]
        assert self.seen() == before
        return answer

    def does(self, *words):
        answer = self.run(*words)
        assert answer.exit == 0, (answer.json, answer.errors)
        return answer.json
