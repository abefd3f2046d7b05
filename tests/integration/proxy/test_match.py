# SPDX-License-Identifier: Apache-2.0
"""Match rules: chosen requests go to the candidate whatever its weight is, and are counted apart.
Green is the candidate here, blue is stable."""
import contextlib
import json
import socket

import pytest

from dataplane import Proxy, ask, eventually
from origins import Origin, answering
from wire import Peer, status

BETA = [{"header": "X-Beta", "value": "yes"}, {"cookie": "beta", "value": "1"}]
STABLE = {"blue": 10000, "green": 0}
NEVER = 100


@pytest.fixture(scope="module")
def own():
    with Proxy(workers=1) as proxy:
        proxy.begin([])
        proxy.expect("ready")
        yield proxy


@contextlib.contextmanager
def two(name="web"):
    with Origin(answering(b"blue")) as blue, Origin(answering(b"green")) as green:
        yield {"blue": [blue.address], "green": [green.address]}


class Chosen:
    """A service with a version in each slot, and rules in its splits."""

    def __init__(self, proxy, slots, name="web", **options):
        self.proxy, self.slots, self.name = proxy, slots, name
        proxy.begin(proxy.service_lines(name, slots, **options))

    def split(self, weights=STABLE, rules=BETA, **more):
        line = self.proxy.split(self.name, weights, **more)
        if rules:
            cell = self.proxy.cells.setdefault((self.name, "chosen"), len(self.proxy.cells))
            line["match"] = {"slot": "green", "cell": cell, "rules": rules}
        self.proxy.tell(splits=[line])
        return self

    def requests(self):
        return {kind: self.proxy.cell(self.name, kind)["requests"]
                for kind in ("blue", "green", "chosen")}

    def counted(self, **more):
        """Since the last time."""
        before = getattr(self, "before", {"blue": 0, "green": 0, "chosen": 0})

        def equal():
            now = self.requests()
            return {kind: now[kind] - before[kind] for kind in now if now[kind] != before[kind]} == more
        eventually(equal, what=f"{more}, not {self.requests()} since {before}")
        self.before = self.requests()


@pytest.fixture
def chosen(own):
    with two() as slots:
        service = Chosen(own, slots)
        service.before = {kind: own.cell("web", kind)["requests"] if ("web", kind) in own.cells else 0
                          for kind in ("blue", "green", "chosen")}
        yield service


def test_chosen_requests_go_to_the_candidate_and_no_other_does(own, chosen):
    chosen.split()
    with own.connect() as s:  # one connection whose requests differ
        for _ in range(20):
            assert ask(s, headers=["X-Beta: yes"])[2] == b"green"
            assert ask(s)[2] == b"blue"
            assert ask(s, headers=["Cookie: a=b; beta=1"])[2] == b"green"
            assert ask(s, headers=["X-Beta: no", "Cookie: beta=2"])[2] == b"blue"
    chosen.counted(blue=40, chosen=40)


def test_the_coin_is_tossed_for_the_others_and_counted_apart(own, chosen):
    chosen.split({"blue": 5000, "green": 5000})
    with own.connect() as s:
        slots = [ask(s)[2] for _ in range(100)]
        assert {ask(s, headers=["X-Beta: yes"])[2] for _ in range(30)} == {b"green"}
    assert 20 < slots.count(b"green") < 80
    chosen.counted(blue=slots.count(b"blue"), green=slots.count(b"green"), chosen=30)


def test_without_rules_they_are_back_at_once_also_on_a_connection_that_is_there(own, chosen):
    chosen.split()
    with own.connect() as s:
        assert ask(s, headers=["X-Beta: yes"])[2] == b"green"
        chosen.split(rules=None)
        for _ in range(NEVER):
            assert ask(s, headers=["X-Beta: yes", "Cookie: beta=1"])[2] == b"blue"


def test_a_rule_wins_over_affinity_and_who_leaves_it_is_where_he_was(own):
    by_user = {"identity": {"by": "header", "name": "X-User", "sticky": True}}
    with two("sticky") as slots:
        service = Chosen(own, slots, "sticky", **by_user).split({"blue": 5000, "green": 5000}, None)
        users = [f"X-User: {n}" for n in range(40)]
        with own.connect() as s:
            home = {user: ask(s, headers=[user])[2] for user in users}
            assert set(home.values()) == {b"blue", b"green"}
            service.split({"blue": 5000, "green": 5000})
            assert {ask(s, headers=[user, "X-Beta: yes"])[2] for user in users} == {b"green"}
            assert {user: ask(s, headers=[user])[2] for user in users} == home


def test_the_address_is_the_one_that_a_trusted_proxy_tells(own, chosen):
    chosen.split(rules=[{"address": "203.0.113.0/24"}, {"address": "2001:db8::/32"}])
    inside, outside = "X-Forwarded-For: 203.0.113.9", "X-Forwarded-For: 203.0.114.9"
    assert own.get(headers=[inside])[2] == b"blue"  # anybody may say so
    own.tell(options={"trusted": ["127.0.0.0/8"]})
    try:
        with own.connect() as s:
            assert ask(s, headers=[inside])[2] == b"green"
            assert ask(s, headers=[outside])[2] == b"blue"
            assert ask(s, headers=["X-Forwarded-For: 2001:db8::7"])[2] == b"green"
            assert ask(s)[2] == b"blue"
    finally:
        own.tell(options={"trusted": []})
    chosen.split(rules=[{"address": "127.0.0.1"}])
    assert own.get()[2] == b"green"


def test_streams_of_http2_are_chosen_one_by_one(own, chosen):
    from h2peer import H2Peer

    chosen.split()
    client = H2Peer(own.connect())
    wanted = {}
    for n in range(10):
        wanted[client.request(extra=[("x-beta", "yes")])] = b"green"
        wanted[client.request(extra=[("cookie", "a=b"), ("cookie", "beta=1")])] = b"green"
        wanted[client.request()] = b"blue"
    for number, slot in wanted.items():
        assert client.answer(number).data == slot
    client.close()
    chosen.counted(blue=10, chosen=20)


def test_what_the_candidate_fails_is_rescued_and_charged_to_the_chosen(own):
    def bad(connection):
        while connection.read_head():
            connection.answer(b"bad", status="500 No")
    with Origin(answering(b"stable")) as blue, Origin(bad) as green:
        service = Chosen(own, {"blue": [blue.address], "green": [green.address]}, "ill")
        service.split(stable="blue", rescue=True, rescue_least=1000)
        with own.connect() as s:
            for _ in range(10):
                assert ask(s, headers=["X-Beta: yes"])[::2] == (200, b"stable")
        eventually(lambda: own.cell("ill", "chosen")["rescued_status"] == 10)
        cell = own.cell("ill", "chosen")
        assert (cell["claimed"], cell["requests"], cell["errors"]) == (10, 10, 10)
        assert own.cell("ill", "blue")["requests"] == own.cell("ill", "green")["requests"] == 0


def test_when_too_much_is_rescued_the_rules_end_with_the_weights(own):
    def bad(connection):
        while connection.read_head():
            connection.answer(b"bad", status="500 No")
    with Origin(answering(b"stable")) as blue, Origin(bad) as green:
        service = Chosen(own, {"blue": [blue.address], "green": [green.address]}, "trips")
        service.split(stable="blue", rescue=True, rescue_least=0, rescue_percent=0)
        with own.connect() as s:
            for _ in range(30):
                assert ask(s, headers=["X-Beta: yes"])[::2] == (200, b"stable")
        assert own.cell("trips", "chosen")["requests"] < 10
        assert own.cell("trips", "blue")["requests"] > 20


def test_requests_that_wait_go_where_their_head_said(own, chosen):
    chosen.split()
    routes = [{"host": None, "path": "/"}]
    own.tell(service={"name": "web", "routes": routes, "traffic": "hold"})
    with contextlib.ExitStack() as stack:
        held = []
        for field in (b"X-Beta: yes\r\n", b""):
            peer = stack.enter_context(Peer(own.connect()))
            held.append(peer.send(b"GET / HTTP/1.1\r\nHost: a\r\n" + field + b"\r\n"))
        eventually(lambda: own.shard_total("held") == 2)
        own.tell(service={"name": "web", "routes": routes, "traffic": "serve"})
        for peer, slot in zip(held, (b"green", b"blue")):
            assert status(peer.head()) == 200
            assert peer.exact(len(slot)) == slot


def test_rules_survive_another_controller_and_a_split_that_is_refused(own, chosen):
    chosen.split()
    wrong = own.split("web", STABLE)
    for rules in ([], [{"header": "a b"}], [{"address": "10.0.0.1/8"}], "x"):
        own.seq += 1
        own.send_lines([{"seq": own.seq, "splits": [
            {**wrong, "match": {"slot": "green", "cell": 1, "rules": rules}}]}])
        assert "match" in json.dumps(own.answers(own.seq))
    assert own.get(headers=["X-Beta: yes"])[2] == b"green"
    lines = own.service_lines("web", chosen.slots)
    lines[2]["splits"][0]["match"] = {"slot": "green", "cell": own.cells[("web", "chosen")],
                                      "rules": BETA}
    own.connect_controller(epoch=own.epoch + 1)
    assert own.get(headers=["X-Beta: yes"])[2] == b"green"
    assert not own.begin(lines, epoch=own.epoch + 1)
    assert own.get(headers=["X-Beta: yes"])[2] == b"green"
    assert own.get()[2] == b"blue"


def test_connections_of_tcp_are_chosen_by_their_address():
    def echo(word):
        def behave(connection):
            connection.send(word)
        return behave
    with Origin(echo(b"blue")) as blue, Origin(echo(b"green")) as green, Proxy(workers=1) as proxy:
        slots = {"blue": [blue.address], "green": [green.address]}
        proxy.protocols["db"] = "tcp"
        address = f"127.0.0.1:{proxy.port}"
        lines = proxy.service_lines("db", slots)
        proxy.begin([{"listener": {"address": address, "service": "db"}}, *lines], listeners=True)
        proxy.expect("ready")

        def first_word():
            with socket.create_connection(("127.0.0.1", proxy.port), 10) as s:
                return s.recv(5)
        assert first_word() == b"blue"
        split = proxy.split("db", STABLE)
        cell = proxy.cells.setdefault(("db", "chosen"), len(proxy.cells))
        rules = {"slot": "green", "cell": cell, "rules": [{"address": "127.0.0.0/8"}]}
        proxy.tell(splits=[{**split, "match": rules}])
        assert first_word() == b"green"
        proxy.tell(splits=[proxy.split("db", STABLE)])
        assert first_word() == b"blue"
        eventually(lambda: proxy.cell("db", "chosen")["requests"] == 1)
