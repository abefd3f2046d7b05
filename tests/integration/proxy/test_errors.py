# SPDX-License-Identifier: Apache-2.0
"""Which answers are errors: what a service's `errors` says, counted alike in both slots, and told
alike by the counters and the access log."""
import json

import pytest

from dataplane import eventually, log_lines
from wire import status

ERRORS = {"status": [[500, 599], [429, 429]],
          "paths": [{"path": "/login", "status": [[401, 401]]}],
          "ignore": [{"path": "/flaky", "status": [[503, 503]]}]}


def ask(site, target, code):
    client = site.client(site.get(target))
    peer = site.origin.accept()
    peer.head()
    peer.send(b"HTTP/1.1 %d X\r\nConnection: close\r\nContent-Length: 0\r\n\r\n" % code)
    assert status(client.head()) == code


def configure(site, slot, errors=ERRORS):
    routes = [{"host": site.host, "path": "/"}]
    options = {"errors": errors} if errors else {}
    site.proxy.tell(service={"name": site.name, "routes": routes, **options})
    site.proxy.tell(instances=site.proxy.roster(site.name, {slot: [site.origin.address]}))
    site.proxy.tell(splits=[site.proxy.split(
        site.name, {"blue": 0, "green": 0, slot: 10000})])


def counted(site, slot, **expected):
    def equal():
        cell = site.proxy.cell(site.name, slot)
        return {name: cell[name] for name in expected} == expected
    eventually(equal, timeout=5, what=f"counted {expected}")


@pytest.mark.parametrize("slot", ["blue", "green"])
def test_what_the_service_says_is_an_error_in_both_slots(site, slot):
    configure(site, slot)
    for target, code in ((b"/", 200), (b"/", 401), (b"/login", 401), (b"/", 429), (b"/", 503),
                         (b"/flaky/x?y", 503), (b"/flaky", 502)):
        ask(site, target, code)
    counted(site, slot, requests=7, errors=4, s4=3, s5=3)


def test_without_rules_a_server_error_is_one(site):
    configure(site, "blue", None)
    for code in (200, 401, 429, 500, 503):
        ask(site, b"/login", code)
    counted(site, "blue", requests=5, errors=2)


def test_no_answer_is_an_error_whatever_is_ignored(site):
    configure(site, "blue", {"status": [], "ignore": [{"path": "/", "status": [[100, 599]]}]})
    client = site.client(site.get(b"/"))
    for _ in range(3):
        peer = site.origin.accept()
        peer.head()
        peer.reset()
    assert status(client.head()) == 502
    counted(site, "blue", requests=1, errors=1, reset=1)


def test_the_access_log_says_which_requests_are_errors(site, tmp_path):
    configure(site, "green")
    site.proxy.log_to(tmp_path / "log")
    for target, code in ((b"/", 200), (b"/login", 401), (b"/flaky", 503), (b"/", 500)):
        ask(site, target, code)
    lines = [json.loads(line) for line in log_lines(tmp_path / "log", 4)]
    site.proxy.say("access-log format=json addresses=full")
    assert {line["target"]: line.get("error", False) for line in lines[:3]} == \
        {"/": False, "/login": True, "/flaky": False}
    assert lines[3]["error"] is True


def test_rules_that_are_wrong_leave_those_that_were_there(site):
    configure(site, "blue")
    routes = [{"host": site.host, "path": "/"}]
    proxy = site.proxy
    proxy.seq += 1
    proxy.send_lines([{"seq": proxy.seq, "service": {
        "name": site.name, "routes": routes, "errors": {"status": [[1, 2]]}}}])
    assert "'status' is no list of ranges" in proxy.answers(proxy.seq)[0]["text"]
    ask(site, b"/", 429)
    counted(site, "blue", requests=1, errors=1)
