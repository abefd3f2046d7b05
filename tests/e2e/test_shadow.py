# SPDX-License-Identifier: Apache-2.0
"""The strategy shadow as users see it: copies of requests under load, and what is found in the answers."""
import json
from pathlib import Path

import pytest

from daemon import PYTHON, wait_until
from load import Client

APP = Path(__file__).resolve().parents[1] / "support" / "shadow_app.py"


@pytest.fixture
def start(make_daemon):
    """A daemon with version v1 of shadow_app live; `shadow` is added to deploy.shadow."""
    def started(deploy=None, **shadow):
        daemon = make_daemon()
        daemon.services["web"] = {
            "command": [PYTHON, str(APP)], "replicas": 1, "route": {"path": "/"},
            "health": {"path": "/health", "interval": "200ms", "timeout": "5s", "deadline": "20s"},
            "deploy": {"strategy": "shadow", "bake": "0s", "drain": "2s", **(deploy or {}),
                       "shadow": {"share": "100%", "duration": "2s", "minimum": 30, "slower": 0, **shadow}}}
        daemon.start().do("deploy", "web", "v1")
        return daemon
    return started


def findings(report, noise):
    return {f["where"]: f for f in report["findings"] if f["noise"] is noise}


def test_a_changed_field_is_found_with_its_path_and_random_fields_are_not(start):
    daemon = start()
    with Client(daemon.port) as client:
        failed = daemon.run("deploy", "web", "changed")
        report = daemon.json("report", "web")
    assert failed.returncode != 0 and "items[].price" in failed.stdout + failed.stderr
    assert daemon.live() == "v1"
    assert report["verdict"] == "different" and report["compared"] >= 30
    assert list(findings(report, False)) == ["items[].price"]
    example = findings(report, False)["items[].price"]["examples"][0]
    assert example == {"request": "GET /", "live": "10", "candidate": "12"}
    assert set(findings(report, True)) <= {"user.time", "request"}
    shown = daemon.do("report", "web")
    assert shown.startswith("web changed: different\n") and "body    items[].price\n" in shown
    assert shown.count("GET /: live 10, new 12") == 1  # the same example once
    assert "noise, where the live version differs from itself" in shown
    assert not client.failed() and {answer.version for answer in client.answers} == {"v1"}


def test_a_version_that_answers_alike_takes_over(start):
    daemon = start()
    with Client(daemon.port) as client:
        daemon.do("deploy", "web", "v2")
        report = daemon.json("report", "web")
        wait_until(lambda: client.answers[-1].version == "v2", "the new version answers")
    assert not client.failed()
    assert report["verdict"] == "alike" and not findings(report, False)
    assert set(findings(report, True)) == {"user.time", "request"}


@pytest.mark.parametrize("version, reason", [("hanging", None), ("resetting", "upstream-reset")])
def test_users_notice_nothing_of_a_candidate_that_does_not_answer(start, version, reason):
    daemon = start(deploy={"analysis": {"wait": "0s"}})
    with Client(daemon.port) as client:
        failed = daemon.run("deploy", "web", version)
    assert failed.returncode != 0 and daemon.live() == "v1"
    assert not client.failed() and {answer.version for answer in client.answers} == {"v1"}
    if reason:
        assert reason in findings(daemon.json("report", "web"), False)


def test_copies_go_on_while_the_proxy_is_upgraded_and_one_report_has_them_all(start):
    daemon = start(duration="10m")
    with Client(daemon.port) as client:
        daemon.do("deploy", "web", "v2", "--no-wait")

        def compared():
            return json.loads(daemon.run("report", "web", "--json").stdout or "{}").get("compared", 0)
        wait_until(lambda: compared() >= 5, "the first generation compares")
        daemon.do("upgrade")
        before = compared()
        wait_until(lambda: compared() >= before + 20, "the second generation compares")
        report = daemon.json("report", "web")
        daemon.do("promote", "web")
        wait_until(lambda: daemon.live() == "v2", "the new version is live", seconds=30)
    assert not client.failed()
    assert report["verdict"] != "different" and not findings(report, False)


def test_without_requests_there_is_no_verdict_and_no_switch(start):
    daemon = start(deploy={"analysis": {"wait": "0s"}}, duration="1s")
    failed = daemon.run("deploy", "web", "v2")
    assert failed.returncode != 0 and "0 compared of at least 30" in failed.stdout + failed.stderr
    assert daemon.live() == "v1"


def test_then_stop_leaves_the_version_staged_and_a_crash_keeps_the_report(start):
    daemon = start(then="stop", minimum=5)
    with Client(daemon.port):
        daemon.do("deploy", "web", "v2")
    assert daemon.live() == "v1"
    before = daemon.json("report", "web")
    daemon.stop()
    daemon.start()
    after = daemon.json("report", "web")
    assert after == before and after["compared"] >= 5
    daemon.do("switch", "web")
    assert daemon.live() == "v2"


def test_what_can_not_be_is_refused_with_a_reason(make_daemon):
    daemon = make_daemon()
    daemon.services["web"]["deploy"] |= {"strategy": "shadow", "shadow": {
        "share": "101%", "methods": ["TRACE"], "then": "explode", "body_limit": "1MiB", "compare": {"ignore": ["a."]}}}
    daemon.configure()
    problems = daemon.run("config", "check").stderr
    for key in ("share", "methods", "then", "body_limit", "compare.ignore"):
        assert f"deploy.shadow.{key}" in problems, json.dumps(problems)
    assert daemon.run("report", "web").returncode != 0
