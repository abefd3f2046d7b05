# SPDX-License-Identifier: Apache-2.0
"""A running daemon with one service whose instances are as healthy as their version's name says, for the tests of
the command line."""
import json
import os
import signal
import subprocess
import sys
import time

from daemon import BASCULE, PortRange, free_port

SLOW = float(os.environ.get("BASCULE_SLOW", 1))

# Versions that begin with "bad" never become healthy; "slow" ones do when their gate is opened.
APP = """\
import http.server, os
version = os.environ["VERSION"]
gate = os.path.join(os.path.dirname(os.path.abspath(__file__)), version + ".open")
print("begin", version, "\\033[2J", flush=True)
class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_GET(self):
        ill = version.startswith("bad") or version.startswith("slow") and not os.path.exists(gate)
        body = b"not ready" if ill else version.encode()
        self.send_response(503 if ill and self.path == "/health" else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *words):
        pass
http.server.ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), Handler).serve_forever()
"""
CONFIG = """\
listen: {{ http: "127.0.0.1:{port}" }}
proxy: {{ workers: 1 }}
ports: {ports}
services:
  web:
    command: [{python}, {folder}/app.py]
    replicas: 2
    route: {{ path: / }}
    health: {{ path: /health, interval: {interval}, rise: 2, fall: 3, deadline: {deadline} }}
    deploy: {{ bake: 0s, standby: 10m, drain: 1s }}
"""


class Daemon:
    def __init__(self, folder):
        self.folder = folder
        self.state = folder / "state"
        self.port, self.ports = free_port(), PortRange()
        (folder / "app.py").write_text(APP)
        self.configure()
        self.log = open(folder / "serve.log", "wb")
        self.process = subprocess.Popen([BASCULE, "serve", "--config", folder / "bascule.yaml", "--state", self.state],
                                        stdout=self.log, stderr=self.log, env=self.environment())
        self.wait_for(lambda: self.run("status").returncode == 0, "the daemon answers")

    def environment(self):
        return {"PATH": os.environ["PATH"], "HOME": str(self.folder), "LANG": "C.UTF-8", "TERM": "xterm-256color",
                "TZ": "UTC", "BASCULE_STATE": str(self.state)}

    def configure(self, interval="200ms", deadline="60s"):
        (self.folder / "bascule.yaml").write_text(CONFIG.format(
            port=self.port, ports=self.ports, python=sys.executable, folder=self.folder, interval=interval,
            deadline=deadline))

    def open_gate(self, version):
        """Such a "slow" version becomes healthy."""
        (self.folder / f"{version}.open").touch()

    def wait_for(self, condition, what, seconds=30 * SLOW):
        until = time.monotonic() + seconds
        while not condition():
            assert self.process.poll() is None, (self.folder / "serve.log").read_text()
            assert time.monotonic() < until, f"never: {what}\n{(self.folder / 'serve.log').read_text()}"
            time.sleep(0.05)

    def run(self, *words, **more):
        return subprocess.run([BASCULE, *map(str, words)], env=self.environment(), capture_output=True, text=True,
                              timeout=60 * SLOW, **more)

    def json(self, *words):
        answer = self.run(*words, "--json")
        assert answer.returncode == 0, answer.stderr
        return json.loads(answer.stdout)

    def web(self):
        return self.json("status", "web")

    def live(self):
        web = self.web()
        return web["slots"][web["live"]]["version"]

    def settle(self):
        """Back to a quiet service: no rollout, traffic served."""
        if self.web()["rollout"]:
            self.run("abort", "web")
        self.wait_for(lambda: self.web()["rollout"] is None, "the rollout is over")
        self.run("traffic", "web", "serve")

    def make_live(self, version):
        self.settle()
        if self.live() != version:
            deployed = self.run("deploy", "web", version)
            assert deployed.returncode == 0, deployed.stdout + deployed.stderr
            self.settle()

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(30)
        finally:
            self.process.kill()
            self.process.wait()
            self.log.close()
            self.ports.close()
