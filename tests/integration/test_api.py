# SPDX-License-Identifier: Apache-2.0
"""The HTTP API of the running daemon: every answer as it is described, bad input refused with a reason,
streams that lose nothing, strangers kept out."""
import os
import re

import pytest

from api_client import check_answer, request
from api_daemon import Daemon
from daemon import ROOT, wait_until


@pytest.fixture(scope="module")
def daemon(tmp_path_factory):
    daemon = Daemon(tmp_path_factory.mktemp("api"))
    yield daemon
    daemon.stop()


@pytest.fixture(scope="module")
def document(daemon):
    return daemon.get("/v1/openapi.json").json


def problem(answer, status, word, *parts):
    assert answer.status == status, answer.bytes
    assert answer.type == "application/problem+json"
    assert answer.json["type"] == f"urn:bascule:{word}"
    assert answer.json["status"] == status
    for part in parts:
        assert part in answer.json["detail"]
    return answer


# --- What it says of itself ---


def test_the_document_and_the_page_name_the_same_requests(document):
    page = (ROOT / "docs" / "api.md").read_text()
    named = set(re.findall(r"^\| `([A-Z]+) (/v1/[^`?]+)", page, re.M))
    described = {(method.upper(), re.sub(r"\{\w+\}", lambda name: "ID" if name[0] == "{id}" else "NAME", path))
                 for path, operations in document["paths"].items() for method in operations}
    assert named == described


def test_every_request_answers_as_it_is_described(tmp_path):
    daemon = Daemon(tmp_path)
    try:
        document = daemon.get("/v1/openapi.json").json
        seen = set()

        def ask(method, path, body=None, query="", status=200, **more):
            names = {name: more.pop(name, usual) for name, usual in (("service", "web"), ("release", "shop"), ("id", "r1"))}
            target = path.format(**names)
            answer = request(daemon.socket, method, target + query, body, **more)
            check_answer(document, method, path, answer)
            assert answer.status == status, answer.bytes
            seen.add((method.lower(), path))
            return answer

        service = "/v1/services/{service}"
        for path in ("/v1/version", "/v1/status", service, service + "/why", service + "/history", "/v1/events",
                     "/v1/openapi.json", service + "/logs", service + "/counters"):
            ask("GET", path)
        problem(ask("GET", service + "/report", status=404), 404, "not-found")
        ask("GET", service + "/plan", query="?version=v1")
        problem(ask("POST", service + "/switch", {}, status=409), 409, "invalid-state")
        problem(ask("POST", service + "/rollback", {}, status=409), 409, "rollback-failed")
        problem(ask("POST", service + "/abort", {}, status=409), 409, "invalid-state")
        problem(ask("POST", service + "/check", {}, status=409), 409, "invalid-state")
        first = ask("POST", service + "/deploy", {"version": "v1"}, status=202)
        assert daemon.end_of(first)["status"] == "promoted"
        ask("GET", "/v1/rollouts/{id}", id=first.json["id"])
        staged = ask("POST", service + "/deploy", {"version": "v2", "stage": True}, status=202)
        assert daemon.end_of(staged)["status"] == "staged"
        assert ask("POST", service + "/check", {}).json["healthy"]
        ask("GET", service + "/plan", query="?kind=switch")
        ask("GET", service)
        switched = ask("POST", service + "/switch", {}, status=202)
        assert switched.json["record"] == staged.json["record"]
        assert daemon.end_of(switched)["status"] == "promoted"
        assert daemon.end_of(ask("POST", service + "/rollback", {"version": None}, status=202))["status"] == "promoted"
        ask("POST", service + "/cleanup", {})
        problem(ask("POST", service + "/convert", {"user": "8f2c", "goal": "order"}, status=409), 409, "invalid-state")
        for steer in ("promote", "pause", "resume", "retry", "approve", "reject"):
            problem(ask("POST", service + "/" + steer, {}, status=409), 409, "invalid-state")
        problem(ask("POST", service + "/lock", {"reason": " "}, status=422), 422, "invalid")
        assert "is locked" in ask("POST", service + "/lock", {"reason": "incident 42"}).json["done"]
        problem(ask("POST", service + "/deploy", {"version": "v3"}, status=409), 409, "locked")
        assert ask("GET", service).json["lock"]["reason"] == "incident 42"
        assert "is unlocked" in ask("POST", service + "/unlock", {}).json["done"]
        for mode in ("maintenance", "serve"):
            assert ask("PUT", service + "/traffic", {"mode": mode}).json == {"traffic": mode}
        running = ask("POST", service + "/deploy", {"version": "bad"}, status=202)
        problem(ask("POST", service + "/deploy", {"version": "v3"}, status=409), 409, "environment-busy")
        ask("GET", service)
        ask("POST", service + "/abort", {}, status=202)
        assert daemon.end_of(running)["status"] == "cancelled"
        for path in ("/v1/status", service, service + "/why", service + "/history", "/v1/events", service + "/logs"):
            ask("GET", path)
        ask("GET", service + "/logs", service="fixed", status=409)
        together = "/v1/releases/{release}"
        assert ask("GET", together).json["id"] is None
        problem(ask("GET", together, release="none", status=404), 404, "not-found")
        for steer in ("promote", "pause", "resume", "abort"):
            problem(ask("POST", together + "/" + steer, {}, status=409), 409, "invalid-state")
        problem(ask("POST", together + "/rollback", {}, status=409), 409, "rollback-failed")
        assert ask("GET", together + "/plan", query="?version=v3").json[0]["steps"]
        problem(ask("GET", together + "/plan", query="?version=v3", release="none", status=404), 404, "not-found")
        begun = ask("POST", together + "/deploy", {"version": "v3"}, status=202).json["id"]
        wait_until(lambda: ask("GET", together).json["status"] == "promoted", "all of it is live")
        assert ask("GET", together).json["id"] == begun
        back = ask("POST", together + "/rollback", {"version": None}, status=202).json["id"]
        wait_until(lambda: ask("GET", together).json["status"] == "promoted", "all of it is back")
        assert ask("GET", together).json["id"] == back
        ask("POST", "/v1/apply", {})
        assert ask("POST", "/v1/upgrade", {}).json["generation"] >= 2
        assert seen == {(method, path) for path, operations in document["paths"].items() for method in operations}
    finally:
        daemon.stop()


def test_status_has_the_members_that_scripts_rely_on(daemon):
    daemon.deploy("v1")
    status = daemon.get("/v1/status").json
    assert all(isinstance(status["processes"][name], int) for name in ("supervisor", "controller", "proxy"))
    web = next(service for service in status["services"] if service["name"] == "web")
    assert web["traffic"] == "serve" and web["rollout"] is None
    live = web["slots"][web["live"]]
    assert live["state"] == "live" and live["version"] == "v1" and live["weight_bp"] == 10000
    instance, = live["instances"]
    assert instance["health"] == "healthy" and instance["address"].startswith("127.0.0.1:")
    os.kill(instance["pid"], 0)
    assert set(web["slots"]) == {"blue", "green"}


def test_a_failed_deploy_tells_its_reason_everywhere(daemon):
    ended = daemon.deploy("bad1")
    assert ended["status"] in ("failed", "rolled-back")
    assert "503" in ended["reason"]
    assert (ended["error"], ended["passed"], ended["total"]) == ("health-check-failed", 0, 1)
    stored = daemon.get(f"/v1/rollouts/{ended['id']}").json
    assert (stored["error"], stored["passed"], stored["total"]) == ("health-check-failed", 0, 1)
    told = [event for event in daemon.get("/v1/events?service=web").json if event["rollout"] == ended["id"]]
    assert {event["kind"] for event in told if event["error"] == "health-check-failed"} == {"failed-step", "failed"}
    record = daemon.get("/v1/services/web/history?limit=1").json[0]
    assert record["version"] == "bad1" and record["status"] == "failed" and "503" in record["reason"]
    assert record["error"] == "health-check-failed"
    lines = "\n".join(daemon.get("/v1/services/web/why").json["lines"])
    assert "503" in lines and ended["id"] in lines and "is live with" in lines
    assert daemon.service()["last_rollout"]["id"] == ended["id"]


def test_the_history_is_read_page_by_page(daemon):
    for version in ("page1", "page2", "page3"):
        daemon.deploy(version)
    whole = daemon.get("/v1/services/web/history").json
    pages, before = [], ""
    while page := daemon.get(f"/v1/services/web/history?limit=2{before}").json:
        assert len(page) <= 2
        pages, before = page + pages, f"&before={page[0]['id']}"
    assert pages == whole and len(whole) >= 3


# --- Bad input ---


def test_what_is_not_there_is_said_to_be_so(daemon):
    problem(daemon.get("/v1/services/nope"), 404, "not-found", "'nope'", "web")
    problem(daemon.post("/v1/services/nope/deploy", {"version": "v1"}), 404, "not-found", "nope")
    problem(daemon.get("/v1/services/nope/history"), 404, "not-found", "nope")
    problem(daemon.get("/v1/events?service=nope"), 404, "not-found", "nope")
    problem(daemon.get("/v1/rollouts/r999999"), 404, "not-found", "r999999")
    problem(daemon.get("/v1/rollouts/12"), 404, "not-found")
    problem(daemon.get("/v1/services/web/logs?instance=web-blue-0"), 404, "not-found", "web-blue-0")
    answer = problem(daemon.get("/nothing%1b%5b2J/here"), 404, "not-found", "\\x1b[2J")
    assert b"\x1b" not in answer.bytes and b"u001b" not in answer.bytes


def test_a_wrong_method_is_told_the_right_ones(daemon):
    answer = problem(request(daemon.socket, "DELETE", "/v1/services/web/traffic"), 405, "method-not-allowed", "PUT")
    assert answer.headers["Allow"] == "PUT"
    head = request(daemon.socket, "HEAD", "/v1/status")
    assert head.status == 200 and head.bytes == b""


@pytest.mark.parametrize("raw, part", [
    (b"{", "line 1"),
    (b"[]", "object"),
    (b"null", "line 1"),
    (b"\xff\xfe", "line 1"),
    (b'{"version": "a\\u0000b"}', "line 1"),
    (b'{"version": "v1", "version": "v2"}', "duplicate"),
    (b'{"version": 3}', "'version' must be a string"),
    (b'{"version": {"a": {"b": []}}}', "'version' must be a string"),
    (b'{"versoin": "v1"}', "accepted are version, stage"),
    (b"{}", "'version' is missing"),
    (b'{"version": "v1", "stage": "yes"}', "'stage' must be true or false"),
    (b"[" * 30000, "line 1"),
    (b'{"a":' * 10000, "line 1"),
], ids=lambda value: repr(value)[:40])
def test_a_malformed_body_is_refused_with_a_reason(daemon, raw, part):
    problem(request(daemon.socket, "POST", "/v1/services/web/deploy", raw=raw), 400, "malformed", part)


@pytest.mark.parametrize("version", ["a/b", "../x", "", "-x", "v1\n", "v\u001b[31m", "x" * 129, "\u00e9"], ids=lambda value: ascii(value)[:40])
def test_a_version_that_can_not_be_one_is_refused(daemon, version):
    problem(daemon.post("/v1/services/web/deploy", {"version": version}), 422, "invalid", "is not a version")
    problem(daemon.post("/v1/services/web/rollback", {"version": version}), 422, "invalid", "is not a version")


@pytest.mark.parametrize("target, part", [
    ("history?limit=0", "'limit' must be a whole number from 1 to 1000"),
    ("history?limit=1&limit=2", "twice"),
    ("history?lmit=1", "accepted are limit"),
    ("history?before=12", "must be the id of a record"),
    ("history?before=r12", "must be the id of a record"),
    ("logs?lines=-1", "'lines' must be"),
    ("logs?slot=red", "one of blue|green"),
    ("plan", "'version' is missing"),
    ("plan?kind=explode&version=v1", "one of"),
    ("why?a=b", "nothing is accepted"),
])
def test_a_malformed_query_is_refused_with_a_reason(daemon, target, part):
    problem(daemon.get(f"/v1/services/web/{target}"), 400, "malformed", part)


def test_a_body_must_be_json_and_of_bounded_size(daemon):
    problem(daemon.post("/v1/services/web/switch", headers={"Content-Type": "text/plain"}), 415, "unsupported-media-type")
    target = "/v1/services/web/deploy"
    problem(request(daemon.socket, "POST", target, raw=b" " * 65537), 413, "too-large", "65536")
    problem(request(daemon.socket, "POST", target, raw=(b" " * 1000 for _ in range(100))), 413, "too-large")
    problem(request(daemon.socket, "POST", "/v1/apply", raw=b" " * 4194305), 413, "too-large", "4194304")
    problem(request(daemon.socket, "GET", "/v1/status", raw=b"{}"), 413, "too-large")


def test_an_endless_body_is_cut_off(daemon):
    def endless():
        while True:
            yield b" " * 65536

    with pytest.raises((OSError, ConnectionError)):
        answer = request(daemon.socket, "POST", "/v1/services/web/deploy", raw=endless())
        raise ConnectionError(f"answered {answer.status} early")
    assert daemon.get("/v1/version").status == 200


def test_apply_tells_every_problem_and_keeps_what_is_in_force(daemon):
    def releases():
        return {name: (slot["state"], slot.get("version"), [i["id"] for i in slot["instances"]])
                for name, slot in daemon.service()["slots"].items()}

    before = releases()
    answer = daemon.post("/v1/apply", {"file": "/etc/x.yaml", "text": "services:\n  web: { comand: x, replicas: many }\n"})
    problem(answer, 422, "invalid", "/etc/x.yaml:2")
    assert len(answer.json["problems"]) >= 2
    assert {"file", "line", "key", "text"} == set(answer.json["problems"][0])
    problem(daemon.post("/v1/apply", {"file": "/etc/shadow"}), 400, "malformed", "'text'")
    problem(daemon.post("/v1/apply", {"file": "x.yaml", "text": "services: {}"}), 400, "malformed", "absolute")
    assert releases() == before


def test_a_file_that_was_not_applied_shows_as_drift(daemon):
    file = daemon.folder / "bascule.yaml"
    try:
        file.write_text(daemon.text.replace("drain: 1s", "drain: 3s"))
        drift = daemon.get("/v1/services/web/plan?version=v9").json["drift"]
        assert any("not applied" in line and "drain" in line for line in drift), drift
        changes = daemon.post("/v1/apply").json["changes"]
        assert any("drain" in line for line in changes), changes
        drift = daemon.get("/v1/services/web/plan?version=v9").json["drift"]
        assert not any("not applied" in line for line in drift)
    finally:
        file.write_text(daemon.text)
        assert daemon.post("/v1/apply").status == 200
