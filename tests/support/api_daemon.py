# SPDX-License-Identifier: Apache-2.0
"""A running daemon with one service of processes and one of static targets, for the tests of its API."""
import subprocess
import sys

from api_client import SLOW, request
from daemon import BASCULE, PortRange, free_port, wait_until

APP = """\
import http.server, os, sys
version = os.environ["VERSION"]
print("begin", version, "\\033[2J", flush=True)
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        if self.path.startswith("/say/"):
            print(self.path[5:], flush=True)
        self.send_response(503 if version.startswith("bad") else 200)
        self.send_header("Content-Length", "0")
        self.end_headers()
    def log_message(self, *words):
        pass
http.server.HTTPServer(("127.0.0.1", int(os.environ["PORT"])), Handler).serve_forever()
"""
CONFIG = """\
listen: {{ http: "127.0.0.1:{port}" }}
proxy: {{ workers: 1 }}
ports: {ports}
services:
  web:
    command: [{python}, {folder}/app.py]
    release: shop
    route: {{ path: / }}
    health: {{ path: /health, interval: 200ms, rise: 1, fall: 2, deadline: 2s }}
    deploy: {{ bake: 0s, standby: 10m, drain: 1s }}
  fixed:
    targets: {{ blue: ["127.0.0.1:{port}"], green: ["127.0.0.1:{other}"] }}
    route: {{ host: fixed.example }}
    health: {{ tcp: true }}
"""


class Daemon:
    def __init__(self, folder):
        self.folder = folder
        self.port, self.ports = free_port(), PortRange()
        self.socket = folder / "state" / "api.sock"
        (folder / "app.py").write_text(APP)
        self.text = CONFIG.format(port=self.port, ports=self.ports, other=free_port(), python=sys.executable,
                                  folder=folder)
        (folder / "bascule.yaml").write_text(self.text)
        self.log = open(folder / "serve.log", "wb")
        self.process = subprocess.Popen(
            [BASCULE, "serve", "--config", folder / "bascule.yaml", "--state", folder / "state"],
            stdout=self.log, stderr=self.log)
        wait_until(self.is_ready, "the daemon answers")

    def is_ready(self):
        assert self.process.poll() is None, (self.folder / "serve.log").read_text()
        try:
            return self.get("/v1/status").status == 200
        except OSError:
            return False

    def get(self, target, **more):
        return request(self.socket, "GET", target, **more)

    def post(self, target, body=None, **more):
        return request(self.socket, "POST", target, {} if body is None else body, **more)

    def service(self, name="web"):
        return self.get(f"/v1/services/{name}").json

    def end_of(self, answer):
        """Waits for the rollout that an answer began; how it ended."""
        assert answer.status == 202, answer.bytes
        target = f"/v1/rollouts/{answer.json['id']}"
        ended = ("promoted", "staged", "rolled-back", "failed", "cancelled")
        wait_until(lambda: self.get(target).json["status"] in ended, "the rollout ends")
        wait_until(lambda: self.service()["rollout"] is None, "its tail is over")
        return self.get(target).json

    def deploy(self, version, **more):
        return self.end_of(self.post("/v1/services/web/deploy", {"version": version, **more}))

    def set_traffic(self, mode, service="web"):
        answer = request(self.socket, "PUT", f"/v1/services/{service}/traffic", {"mode": mode})
        assert answer.status == 200, answer.bytes

    def stop(self):
        self.process.terminate()
        try:
            self.process.wait(SLOW)
        finally:
            self.process.kill()
            self.process.wait()
            self.log.close()
            self.ports.close()
