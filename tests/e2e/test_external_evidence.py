# SPDX-License-Identifier: Apache-2.0
"""What others know of a new version: a real Prometheus, commands and addresses of HTTP are asked while it is watched."""
import contextlib
import json
import os
import signal
import subprocess
import threading
import urllib.parse
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from daemon import free_port, wait_until

PROMETHEUS = os.environ.get("BASCULE_PROMETHEUS", "")


class Source:
    """Answers GET with what `answers` says of the path; anything else is 404."""

    def __init__(self):
        self.answers, self.asked = {}, []
        source = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                source.asked.append(self.path)
                status, body = source.answers.get(self.path, (404, "no such thing\n"))
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body.encode())

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def source():
    with contextlib.closing(Source()) as source:
        yield source


@pytest.fixture(scope="module")
def prometheus(tmp_path_factory):
    """A real one, which scrapes itself every second."""
    if not os.access(PROMETHEUS, os.X_OK):
        pytest.skip("BASCULE_PROMETHEUS names no program")
    folder, port = tmp_path_factory.mktemp("prometheus"), free_port()
    (folder / "prometheus.yml").write_text(
        "global: { scrape_interval: 1s }\n"
        f"scrape_configs: [{{ job_name: own, static_configs: [{{ targets: ['127.0.0.1:{port}'] }}] }}]\n")
    with open(folder / "log", "wb") as log:
        process = subprocess.Popen([PROMETHEUS, f"--config.file={folder}/prometheus.yml", f"--storage.tsdb.path={folder}/data",
                                    f"--web.listen-address=127.0.0.1:{port}"], stdout=log, stderr=log)
    url = f"http://127.0.0.1:{port}"

    def scraped():
        with contextlib.suppress(OSError):
            query = urllib.parse.urlencode({"query": "up"})
            with urllib.request.urlopen(f"{url}/api/v1/query?{query}", timeout=5) as answer:
                return json.load(answer)["data"]["result"]
        return None
    try:
        wait_until(scraped, "Prometheus has scraped itself")
        yield url
    finally:
        process.terminate()
        process.wait(30)


@pytest.fixture
def start(make_daemon):
    def started(*queries, wait="30s"):
        daemon = make_daemon()
        daemon.release("one")
        daemon.release("two")
        short = {"interval": "200ms", "timeout": "5s"}
        daemon.services["web"]["deploy"] |= {"bake": "1s"}
        daemon.start().do("deploy", "web", "one", "--bake", "0s")
        daemon.services["web"]["deploy"]["analysis"] = {"wait": wait, "queries": [short | query for query in queries]}
        daemon.configure()
        daemon.do("apply")
        return daemon
    return started


def queries_of(daemon):
    service = daemon.service()
    return {query["name"]: query for query in (service["rollout"] or service["last_rollout"])["queries"]}


def test_prometheus_is_asked_and_its_answers_decide(start, prometheus):
    def query(name, text, **more):
        return {"name": name, "prometheus": {"url": prometheus, "query": text}, "accept": "< 1", **more}
    daemon = start(query("fine", "up - 1", count=3),
                   query("bad", 'vector(7) * scalar(up{job="own"})', dry_run=True),
                   query("nan", "vector(0) / vector(0)", dry_run=True),
                   query("unknown", 'no_such_metric{version="${VERSION}"}', dry_run=True),
                   query("several", 'label_replace(up, "a", "b", "", "") or vector(1)', dry_run=True),
                   query("wrong", "sum(", dry_run=True))
    daemon.do("deploy", "web", "two")
    assert daemon.live() == "two"
    said = queries_of(daemon)
    assert said["fine"]["state"] == "passed" and said["fine"]["value"] == "0", said["fine"]
    assert said["bad"]["state"] == "failed" and said["bad"]["last"] == "7 is not < 1", said["bad"]
    assert said["nan"]["last"] == "no data: the answer is NaN" and said["nan"]["passed"] == 0
    assert said["unknown"]["last"] == "no data: no series matches the query" and said["unknown"]["passed"] == 0
    assert said["several"]["last"].startswith("2 series match"), said["several"]
    assert said["wrong"]["last"].startswith("Prometheus refused the query: "), said["wrong"]


def test_a_failing_query_takes_the_version_back_at_once_and_everybody_is_told(start, source):
    source.answers["/two"] = (200, '{"errors": {"ratio": 0.12}}')
    daemon = start({"name": "error-ratio", "http": {"url": source.url + "/${VERSION}", "field": "errors.ratio"},
                    "accept": "< 0.01", "failure_limit": 3})
    result = daemon.run("deploy", "web", "two", "--bake", "60s")
    text = "error-ratio: 0.12 is not < 0.01, 3 of 3 failures"
    assert result.returncode == 1 and text in result.stdout + result.stderr, result.stdout + result.stderr
    last = daemon.settled()
    assert last["status"] == "rolled-back" and last["reason"] == text, last
    assert daemon.live() == "one" and text in daemon.do("why", "web")
    assert any(event["kind"] == "query" and event["text"] == text for event in daemon.json("events", "web"))


def test_a_source_that_is_not_there_holds_the_bake_and_says_so(start, source):
    daemon = start({"name": "state", "http": {"url": source.url + "/state", "field": "n"}, "accept": "> 0"})
    daemon.do("deploy", "web", "two", "--no-wait")
    wait_until(lambda: "state: answered 404, 0 of 1 passed" in daemon.do("why", "web"), "it says why it waits")
    wait_until(lambda: queries_of(daemon)["state"]["unanswered"] > 8, "it goes on asking after its time")
    assert daemon.service()["rollout"]["status"] == "running"
    source.answers["/state"] = (200, '{"n": 4}')
    assert daemon.settled()["status"] == "promoted"
    assert daemon.live() == "two"


def test_a_new_controller_asks_again_and_counts_anew(start, source):
    daemon = start({"name": "state", "http": {"url": source.url + "/state", "field": "n"}, "accept": "> 0", "count": 2})
    daemon.do("deploy", "web", "two", "--no-wait")
    wait_until(lambda: len(source.asked) > 2, "it is asked")
    old = daemon.pid("controller")
    os.kill(old, signal.SIGKILL)
    wait_until(lambda: daemon.pid("controller") != old, "another controller runs")
    asked = len(source.asked)
    wait_until(lambda: len(source.asked) > asked + 2, "the new one asks")
    assert daemon.service()["rollout"]["status"] == "running"
    source.answers["/state"] = (200, '{"n": 4}')
    assert daemon.settled()["status"] == "promoted"
    assert daemon.live() == "two"


def test_a_command_is_asked_with_the_versions_environment(start):
    daemon = start({"name": "number", "command": "echo $VERSION $SLOT >&2; echo 3", "accept": "2 .. 4"},
                   {"name": "status", "command": ["sh", "-c", "test ${SERVICE}-${VERSION} = web-two"]},
                   {"name": "slow", "command": "sleep 60", "timeout": "300ms", "on_error": "ignore"})
    daemon.do("deploy", "web", "two")
    assert daemon.live() == "two"
    said = queries_of(daemon)
    assert said["number"]["value"] == "3" and said["status"]["last"] == "exited with status 0", said
    assert said["slow"]["last"].startswith("the command did not end within 300ms"), said["slow"]
