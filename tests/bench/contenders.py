# SPDX-License-Identifier: Apache-2.0
"""The proxies that tests/bench/compare measures: how each is configured to do the same work, with metrics on
where it has them, no access log, and connections to the origin kept open."""
import os
import shutil
import signal
import socket
import ssl
import subprocess
import time
from pathlib import Path

TICK_S = 1 / os.sysconf("SC_CLK_TCK")
# Of Mozilla's intermediate profile, and the client chooses, as with bascule: so all speak the same cipher.
CIPHERS = "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305"
SUITES = "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256"

HAPROXY = """
global
  nbthread {workers}
  maxconn 4000
  stats socket {folder}/haproxy.sock
  ssl-default-bind-options ssl-min-ver TLSv1.2 prefer-client-ciphers
  ssl-default-bind-ciphers {ciphers}
  ssl-default-bind-ciphersuites {suites}
defaults
  mode http
  timeout connect 5s
  timeout client 60s
  timeout server 60s
  http-reuse always
  option splice-auto
frontend f
  bind 127.0.0.1:{http}
  bind 127.0.0.1:{https} ssl crt {folder}/both.pem alpn h2,http/1.1
  default_backend b
backend b
  server s 127.0.0.1:{origin}
"""

NGINX = """
worker_processes {workers}; daemon off; error_log /dev/null crit; pid {folder}/nginx.pid;
events {{ worker_connections 10000; }}
http {{
  access_log off; keepalive_requests 100000000; client_body_temp_path {folder}/n1; proxy_temp_path {folder}/n2;
  fastcgi_temp_path {folder}/n3; uwsgi_temp_path {folder}/n4; scgi_temp_path {folder}/n5; proxy_max_temp_file_size 0;
  upstream origin {{ server 127.0.0.1:{origin}; keepalive 256; keepalive_requests 100000000; }}
  ssl_certificate {folder}/certificate.pem; ssl_certificate_key {folder}/key.pem;
  ssl_protocols TLSv1.2 TLSv1.3; ssl_ciphers {ciphers}; ssl_session_cache shared:s:10m;
  server {{
    listen 127.0.0.1:{http}; listen 127.0.0.1:{https} ssl http2;
    location / {{ proxy_pass http://origin; proxy_http_version 1.1; proxy_set_header Connection ""; }}
  }}
}}
"""

CADDY = """
{{
  admin off
  auto_https off
  storage file_system {folder}/caddy
}}
http://127.0.0.1:{http} {{
  reverse_proxy 127.0.0.1:{origin}
}}
https://localhost:{https}, https://127.0.0.1:{https} {{
  tls {folder}/certificate.pem {folder}/key.pem
  reverse_proxy 127.0.0.1:{origin}
}}
"""

BASCULE = """
listen: {{ http: 127.0.0.1:{http}, https: 127.0.0.1:{https} }}
tls:
  redirect: false
  certificates: [{{ certificate: {folder}/certificate.pem, key: {folder}/key.pem }}]
proxy: {{ workers: {workers} }}
services:
  web:
    targets: {{ blue: ["127.0.0.1:{unused}"], green: ["127.0.0.1:{origin}"] }} # the first release goes to green
    route: {{ path: / }}
    health: {{ path: /100, interval: 60s, rise: 1 }}
"""


def wait_port(port, process, name, log=None):
    until = time.monotonic() + 20
    while time.monotonic() < until:
        if process.poll() is not None:
            said = log.read_text(encoding="utf-8") if log else ""
            raise SystemExit(f"compare: {name} ended with status {process.returncode}: {said}")
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            time.sleep(0.05)
    raise SystemExit(f"compare: {name} does not listen on port {port}")


def tree(pid):
    """The process and all that descend from it."""
    found = [pid]
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in task.read_text().split():
            found += tree(int(child))
    return found


class Contender:
    def __init__(self, name, stage, number, workers):
        self.name, self.folder = name, stage.folder / f"{name}-{workers}"
        self.folder.mkdir()
        self.http, self.https, self.workers = stage.base + 10 * number, stage.base + 10 * number + 1, workers
        self.words = {"folder": stage.folder, "http": self.http, "https": self.https, "origin": stage.origin_port,
                      "unused": self.http + 2, "workers": workers, "ciphers": CIPHERS, "suites": SUITES}
        self.cores = stage.proxy_cores[:workers]
        self.process = None

    def configuration(self, text, name):
        path = self.folder / name
        path.write_text(text.format(**self.words))
        return str(path)

    def spawn(self, *command, **more):
        self.process = subprocess.Popen(
            ["taskset", "-c", ",".join(map(str, self.cores)), *map(str, command)], start_new_session=True,
            stdout=subprocess.DEVNULL, stderr=open(self.folder / "log", "w", encoding="utf-8"), **more)
        wait_port(self.http, self.process, self.name, self.folder / "log")

    def cpu_s(self):
        total = 0
        for pid in tree(self.process.pid):
            try:
                fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            except FileNotFoundError:
                continue
            total += int(fields[11]) + int(fields[12])
        return total * TICK_S

    def cipher(self):
        """What TLS comes to with it."""
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        with socket.create_connection(("127.0.0.1", self.https), 5) as plain:
            with context.wrap_socket(plain, server_hostname="localhost") as secure:
                return secure.cipher()

    def close(self):
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()


class Relay(Contender):
    def start(self, stage):
        self.spawn(stage.build / "tests/bench/relay", self.http, stage.origin_port)


class HAProxy(Contender):
    def start(self, stage):
        self.spawn(stage.program("haproxy"), "-db", "-f", self.configuration(HAPROXY, "haproxy.cfg"),
                   env=stage.peers_environment())


class Nginx(Contender):
    def start(self, stage):
        self.spawn(stage.program("nginx"), "-p", self.folder, "-c", self.configuration(NGINX, "nginx.conf"),
                   env=stage.peers_environment())


class Caddy(Contender):
    def start(self, stage):
        environment = stage.peers_environment() | {"GOMAXPROCS": str(self.workers), "HOME": str(self.folder)}
        self.spawn(stage.program("caddy"), "run", "--adapter", "caddyfile", "--config",
                   self.configuration(CADDY, "Caddyfile"), env=environment)


class Bascule(Contender):
    def start(self, stage):
        environment = dict(os.environ, BASCULE_STATE=str(self.folder / "state"),
                           BASCULE_CONFIG=self.configuration(BASCULE, "bascule.yaml"))
        self.spawn(stage.build / "src/bascule", "serve", env=environment)
        done = subprocess.run([stage.build / "src/bascule", "deploy", "web", "v1"], env=environment,
                              capture_output=True, text=True, check=False)
        if done.returncode:
            raise SystemExit(f"compare: bascule deploy said: {done.stdout}{done.stderr}")


ALL = {"relay": Relay, "bascule": Bascule, "haproxy": HAProxy, "nginx": Nginx, "caddy": Caddy}
SPEAKS_TLS = ("bascule", "haproxy", "nginx", "caddy")


class Stage:
    """The origin, the folder with certificates, and where the programs are."""

    def __init__(self, build, peers, folder, base=20100):
        self.build, self.peers, self.folder, self.base = Path(build).resolve(), Path(peers).resolve(), Path(folder), base
        self.origin_port = base - 1
        cores = sorted(os.sched_getaffinity(0))
        self.load_core, self.proxy_cores = cores[-1], cores[:-1] or cores
        if len(cores) == 2:
            self.proxy_cores = cores  # two workers share a core with the load: said in the table
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                        "-days", "30", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1",
                        "-keyout", f"{folder}/key.pem", "-out", f"{folder}/certificate.pem"],
                       check=True, capture_output=True)
        parts = [(self.folder / name).read_text() for name in ("certificate.pem", "key.pem")]
        (self.folder / "both.pem").write_text("".join(parts))
        self.origin = subprocess.Popen(["taskset", "-c", str(self.load_core), self.build / "tests/bench/origin",
                                        str(self.origin_port)])
        wait_port(self.origin_port, self.origin, "the origin")

    def program(self, name):
        path = shutil.which(name, path=f"{self.peers}/usr/sbin:{self.peers}/usr/bin")
        if not path:
            raise SystemExit(f"compare: {name} is not under {self.peers}: run scripts/bench")
        return path

    def peers_environment(self):
        libraries = ":".join(str(path) for path in sorted(self.peers.glob("usr/lib/*-linux-gnu*")))
        return dict(os.environ, LD_LIBRARY_PATH=libraries)

    def close(self):
        self.origin.terminate()
        self.origin.wait()
