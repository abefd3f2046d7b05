# SPDX-License-Identifier: Apache-2.0
"""Users stay where they are: in a slot while its weight grows, and on an instance."""
import collections
import contextlib
import re
import socket

import pytest
from dataplane import Proxy, ask
from origins import Origin, answering

KEYS = ["%032x" % 7, "%032x" % 8]
HEADER = {"identity": {"by": "header", "name": "X-User", "sticky": True}}
COOKIE = {"identity": {"by": "cookie", "name": "bsc", "sticky": True,
                       "cookie": "; Path=/; HttpOnly; SameSite=Lax"}}
USERS = range(400)


@pytest.fixture
def proxy():
    with Proxy(workers=2) as p:
        yield p


def give(proxy, green_bp, key=KEYS[0]):
    line = proxy.split("web", {"blue": 10000 - green_bp, "green": green_bp})
    proxy.tell(splits=[{**line, "key": key}])


def in_green(proxy, users=USERS):
    with proxy.connect() as s:
        return {u for u in users if ask(s, headers=[f"X-User: {u}"])[2] == b"green"}


def test_who_is_in_stays_in_and_the_next_rollout_draws_others(proxy, pair):
    blue, green = pair
    proxy.route("web", {"blue": [blue.address], "green": [green.address]}, **HEADER)
    give(proxy, 500)
    few = in_green(proxy)
    assert 5 <= len(few) <= 40 and in_green(proxy) == few
    give(proxy, 2500)
    more = in_green(proxy)
    assert few < more and 60 <= len(more) <= 140
    give(proxy, 10000)
    assert in_green(proxy) == set(USERS)
    give(proxy, 2500, KEYS[1])
    others = in_green(proxy)
    assert len(others & more) < len(more) / 2
    give(proxy, 0)
    assert not in_green(proxy)


def test_requests_without_the_header_are_tossed(proxy, pair):
    blue, green = pair
    proxy.route("web", {"blue": [blue.address], "green": [green.address]}, **HEADER)
    give(proxy, 5000)
    with proxy.connect() as s:
        assert {ask(s)[2] for _ in range(40)} == {b"blue", b"green"}


def test_a_client_gets_a_cookie_once_and_stays(proxy, pair):
    blue, green = pair
    proxy.route("web", {"blue": [blue.address], "green": [green.address]}, **COOKIE)
    give(proxy, 5000)
    first = collections.Counter()
    for _ in range(40):
        with proxy.connect() as s:
            _, fields, slot = ask(s)
            cookie = re.fullmatch(r"(bsc=[0-9a-f]{16}); Path=/; HttpOnly; SameSite=Lax",
                                  fields["Set-Cookie"])[1]
            first[slot] += 1
        for _ in range(3):
            with proxy.connect() as s:
                _, fields, again = ask(s, headers=[f"Cookie: theme=dark; {cookie}"])
                assert again == slot and "Set-Cookie" not in fields
    assert len(first) == 2


def test_a_cookie_is_no_way_into_a_slot_without_weight(proxy, pair):
    blue, green = pair
    proxy.route("web", {"blue": [blue.address], "green": [green.address]}, **COOKIE)
    with proxy.connect() as s:
        for n in range(50):
            assert ask(s, headers=[f"Cookie: bsc={n:016x}"])[2] == b"blue"


def test_own_answers_and_those_for_shared_caches_carry_no_cookie(proxy):
    def behave(connection):
        while connection.read_head():
            connection.answer(b"x", fields=["Cache-Control: public, max-age=60"]
                              if connection.path == "/asset" else [])
    with Origin(behave) as origin:
        proxy.route("web", {"blue": [origin.address]}, **COOKIE)
        with proxy.connect() as s:
            assert "Set-Cookie" not in ask(s, "/asset")[1]
            assert "Set-Cookie" in ask(s, "/page")[1]
            assert "Set-Cookie" in ask(s, "/page", method="HEAD")[1]
        proxy.tell(instances=proxy.roster("web", {"blue": [origin.address]}, ill=[origin.address]))
        with proxy.connect() as s:
            status, fields, _ = ask(s)
            assert status == 503 and "Set-Cookie" not in fields


def test_a_user_stays_on_an_instance_while_it_is_healthy(proxy):
    with contextlib.ExitStack() as stack:
        origins = [stack.enter_context(Origin(answering(b"%d" % n))) for n in range(3)]
        addresses = [o.address for o in origins]
        proxy.route("web", {"blue": addresses}, **HEADER)

        def places():
            with proxy.connect() as s:
                return {u: ask(s, headers=[f"X-User: {u}"])[2] for u in range(60)}
        first = places()
        assert set(first.values()) == {b"0", b"1", b"2"} and places() == first
        proxy.tell(instances=proxy.roster("web", {"blue": addresses}, ill=[addresses[1]]))
        second = places()
        assert all(second[u] == first[u] for u in first if first[u] != b"1")
        proxy.tell(instances=proxy.roster("web", {"blue": addresses}))
        assert places() == first


def test_an_address_is_an_identity(proxy, pair):
    blue, green = pair
    proxy.route("web", {"blue": [blue.address], "green": [green.address]},
                identity={"by": "client", "sticky": True})
    give(proxy, 5000)
    seen = set()
    for n in range(1, 40):
        answers = set()
        for _ in range(3):
            with socket.create_connection(("127.0.0.1", proxy.port), 20,
                                          (f"127.0.0.{n}", 0)) as s:
                answers.add(ask(s)[2])
        assert len(answers) == 1
        seen |= answers
    assert seen == {b"blue", b"green"}


@pytest.mark.parametrize("line", [
    {"by": "magic"}, {"by": "header"}, {"by": "cookie", "name": "a b"},
    {"by": "cookie", "name": "a", "cookie": "; Path=/\r\nX-Evil: 1"},
    {"by": "header", "name": "a", "cookie": "; Path=/"},
    {"by": "cookie", "name": "a", "cookie": "x" * 400}])
def test_a_line_that_makes_no_sense_is_refused(proxy, pair, line):
    proxy.route("web", {"blue": [pair[0].address]})
    proxy.seq += 1
    proxy.send_lines([{"seq": proxy.seq, "service": {"name": "web", "identity": line,
                                                     "routes": [{"host": None, "path": "/"}]}}])
    assert proxy.answers(proxy.seq)
    assert proxy.get()[0] == 200
