# SPDX-License-Identifier: Apache-2.0
"""A version is looked at before users meet it: by people, by a host or a field with a secret, and by a gate, all
through the proxy and under load; nobody counts that, and no user meets it."""
import http.client
import os
import signal

import pytest
from daemon import hello, wait_until
from load import Client

TOKEN = "uG3kYb0sWq7tLx2e"
FIELD = {"X-Bascule-Preview": TOKEN}
HOST = "preview.shop.test"
LOOK = 'curl -fsS --connect-to "::$PREVIEW_ADDRESS" -H "$PREVIEW_HEADER" "$PREVIEW_URL"'


@pytest.fixture
def start(make_daemon):
    """Starts a daemon with v1 live; `deploy` is added to the section."""
    def started(**deploy):
        daemon = make_daemon()
        (daemon.folder / "token").write_text(TOKEN + "\n")
        web = hello(daemon.folder)
        web["deploy"] |= {"preview": {"host": HOST, "token_file": "token"}, **deploy}
        daemon.services["web"] = web
        daemon.start().do("deploy", "web", "v1", "--bake", "0s")
        daemon.release("v2")
        return daemon
    return started


def ask(daemon, headers=None):
    """The status, the reason of an answer of the proxy's own, and the version that answered."""
    connection = http.client.HTTPConnection("127.0.0.1", daemon.port, timeout=30)
    try:
        connection.request("GET", "/", headers=headers or {})
        answer = connection.getresponse()
        answer.read()
        return answer.status, answer.headers["X-Bascule-Reason"], answer.headers["X-Version"]
    finally:
        connection.close()


def both(daemon):
    return [ask(daemon, headers) for headers in ({"Host": HOST}, FIELD)]


SEEN, NOTHING = [(200, None, "v2")] * 2, [(503, "no-preview", None)] * 2


def test_what_is_staged_is_looked_at_until_the_switch_and_nobody_counts_it(start):
    daemon = start()
    assert both(daemon) == NOTHING
    with Client(daemon.port) as users:
        staged = daemon.do("deploy", "web", "v2", "--stage")
        assert f"preview of v2: http://{HOST}:{daemon.port}/, or as users ask with the token in" in staged, staged
        assert both(daemon) == SEEN
        assert ask(daemon, {"X-Bascule-Preview": TOKEN[::-1]})[:2] == (403, "preview-denied")
        shown = daemon.service()["preview"]
        assert (shown["version"], shown["host"], shown["header"]) == ("v2", HOST, "X-Bascule-Preview")
        assert f"preview of v2: {shown['url']}" in daemon.do("status", "web")
        os.kill(daemon.pid("controller"), signal.SIGKILL)
        assert both(daemon) == SEEN  # the proxy knows it by itself
        wait_until(lambda: daemon.run("status").returncode == 0, "another controller is there")
        daemon.do("upgrade")
        assert both(daemon) == SEEN
        daemon.do("traffic", "web", "hold")
        assert both(daemon) == SEEN  # users wait
        daemon.do("traffic", "web", "serve")
        daemon.do("switch", "web")
        assert daemon.live() == "v2" and both(daemon) == NOTHING
    assert users.failed() == [] and {a.version for a in users.answers} == {"v1", "v2"}
    assert TOKEN not in daemon.log.read_text() + daemon.do("events", "web", "-n", "300") + str(daemon.service())


def test_a_gate_asks_through_the_proxy_and_no_look_is_judged(start):
    daemon = start(strategy="canary", steps=[50], bake="60s")
    daemon.services["web"]["deploy"]["gates"] = [
        {"name": "as users do", "smoke": f'test "$({LOOK})" = "hello from v2"'}, {"approval": "seen"}]
    daemon.configure()
    daemon.do("apply")
    with Client(daemon.port) as users:
        daemon.do("deploy", "web", "v2", "--no-wait")
        wait_until(lambda: "approval" in (daemon.service()["rollout"] or {"waiting": ""})["waiting"], "it is at the gate")
        for _ in range(40):
            assert both(daemon) == SEEN
        before = len(users.answers)
        daemon.do("approve", "web")
        wait_until(lambda: daemon.slot("green" if daemon.service()["live"] == "blue" else "blue")["weight_bp"] == 5000,
                   "it has half of the traffic")
        for _ in range(40):
            assert both(daemon) == SEEN  # never the live one
        analysis = wait_until(lambda: (daemon.service()["rollout"] or {})["analysis"], "the judge looks")
        daemon.do("promote", "web", "--full")
        assert daemon.settled()["status"] == "promoted"
    assert users.failed() == [] and len(users.answers) > before
    assert {a.version for a in users.answers[:before]} == {"v1"}
    assert analysis["candidate"]["requests"] <= len(users.answers)
    assert [e["text"] for e in daemon.json("events", "web", "-n", "300") if e["kind"] == "gate"] == \
        ["the gate 'as users do' passed"]


def test_every_request_that_is_counted_is_a_users(start):
    daemon = start()
    daemon.do("deploy", "web", "v2", "--stage")
    before = daemon.service()["figures"]
    with Client(daemon.port, threads=1) as users:
        for _ in range(100):
            assert both(daemon) == SEEN
    counted = wait_until(lambda: (now := daemon.service()["figures"])["requests"] - before["requests"] >=
                         len(users.answers) and now, "all are counted")
    assert counted["requests"] - before["requests"] == len(users.answers) and users.failed() == []
    daemon.do("cleanup", "web")
    wait_until(lambda: both(daemon) == NOTHING, "the proxy was told")


def test_what_can_not_be_is_told(daemon):
    for preview, wrong in (({"header": "X-Look"}, "needs a deploy.preview.token"),
                           ({"token": "short"}, "expected 16 to 256 visible characters"),
                           ({"host": "*.shop.test"}, "can't be a wildcard")):
        daemon.services["web"]["deploy"]["preview"] = preview
        daemon.configure()
        refused = daemon.run("apply")
        assert refused.returncode == 2 and wrong in refused.stderr and "short" not in refused.stderr, refused
    daemon.services["web"]["deploy"]["preview"] = {"host": HOST}
    daemon.services["api"] = hello(daemon.folder, route={"host": HOST, "path": "/"})
    daemon.configure()
    assert "is the route of service" in daemon.run("apply").stderr
