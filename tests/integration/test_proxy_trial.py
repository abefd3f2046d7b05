# SPDX-License-Identifier: Apache-2.0
"""What the proxy tells of the users of an A/B test: who they are, whichever protocol, connection or worker they come
by, and what they did."""
import contextlib

import pytest
from dataplane import Proxy, ask, eventually
from origins import Origin

ROLLOUT = 12
KEY = "%032x" % 7
ROUTES = [{"host": None, "path": "/"}]
HEADER = {"identity": {"by": "header", "name": "X-User", "sticky": True}}
COOKIE = {"identity": {"by": "cookie", "name": "bsc", "sticky": True, "cookie": "; Path=/"}}
GOALS = [{"path": "/order", "method": "POST", "status_low": 201, "status_high": 201, "header": None, "value": None},
         {"path": "/help/*", "method": None, "status_low": 200, "status_high": 399, "header": None, "value": None}]
ORDER, HELP = 1, 2
MANY = 24  # connections: they don't all come to one of two workers


def shop(name):
    """A version of a shop, which tells its name; each order is 20.50."""
    def behave(connection):
        while connection.read_head():
            connection.read_body()
            if connection.head.startswith(b"POST /order"):
                connection.answer(name, "201 Created", ["X-Total: 20.50"])
            else:
                connection.answer(name)
    return Origin(behave)


@pytest.fixture
def proxy():
    with Proxy(workers=2) as p, shop(b"blue") as blue, shop(b"green") as green:
        p.slots = {"blue": [blue.address], "green": [green.address]}
        yield p


def divide(proxy, identity):
    """Half of the users are green's, and what they do is told."""
    proxy.route("web", proxy.slots, routes=ROUTES, **identity)
    split = {**proxy.split("web", {"blue": 5000, "green": 5000}), "key": KEY}
    proxy.tell(splits=[split])
    trial = {"id": ROLLOUT, "generation": split["generation"], "value_header": "X-Total", "goals": GOALS}
    proxy.tell(service={"name": "web", "routes": ROUTES, "trial": trial, **identity})


def told(proxy, count):
    """All facts of all workers, once there are so many; no more come."""
    eventually(lambda: sum(map(len, proxy.facts())) >= count, what=f"{count} facts")
    proxy.ping()
    facts = [fact for worker in proxy.facts() for fact in worker]
    assert len(facts) == count and {fact.trial for fact in facts} <= {ROLLOUT}, facts
    return facts


def visit(proxy, user, path="/", method="GET"):
    """One request over a connection of its own; the version that answered."""
    with proxy.connect() as s:
        return ask(s, path, method, headers=[f"X-User: {user}"])[2]


def test_a_user_is_who_sends_the_header_and_requests_without_it_are_nobodys(proxy):
    divide(proxy, HEADER)
    with proxy.connect() as s:
        for _ in range(3):
            ask(s)
            ask(s, headers=["X-Users: ann"])
        slots = {user: ask(s, headers=[f"x-uSER: {user}"])[2] for user in ("ann", "bob", "cleo", "dora", "emil", "fay")}
        for user in slots:
            assert ask(s, headers=[f"X-User:  {user} "])[2] == slots[user]
    facts = told(proxy, len(slots))
    assert len({fact.user for fact in facts}) == len(slots)
    assert sorted(fact.green for fact in facts) == sorted(slot == b"green" for slot in slots.values())
    assert {fact.goals for fact in facts} == {0} and {fact.value for fact in facts} == {None}


def test_two_workers_tell_of_one_user_each_once_and_as_the_same(proxy):
    divide(proxy, HEADER)
    slots = {visit(proxy, "ann") for _ in range(MANY)} | {visit(proxy, "ann", "/help/me") for _ in range(MANY)}
    assert len(slots) == 1, "a user has one version"
    visit(proxy, "ann", "/order", "POST")
    visit(proxy, "ann", "/order", "POST")
    facts = told(proxy, 6)  # of each worker that they came and looked for help; and two payments
    assert all(len(worker) >= 2 for worker in proxy.facts())
    assert len({(fact.user, fact.green) for fact in facts}) == 1
    assert facts[0].green == (slots == {b"green"})
    assert sorted(fact.goals for fact in facts) == [0, 0, ORDER, ORDER, HELP, HELP]
    assert [fact.value for fact in facts if fact.value is not None] == [20.5, 20.5]


def test_a_user_of_http_2_is_the_same_one_and_reaches_the_same_goals(proxy):
    h2peer = pytest.importorskip("h2peer", reason="python3-hpack is not installed")
    divide(proxy, HEADER)
    slot = visit(proxy, "ann")
    with contextlib.ExitStack() as stack:
        for _ in range(MANY):
            client = h2peer.H2Peer(stack.enter_context(proxy.connect()))
            visits = [client.request(path="/shelf", extra=[("x-user", "ann")]) for _ in range(3)]
            assert {client.answer(number).data for number in visits} == {slot}
        order = client.request(path="/order?at=once", method="POST", extra=[("x-user", "ann")], body=b"")
        other = client.request(path="/help/her", extra=[("x-user", "bob")])
        answer = client.answer(order)
        assert answer.status == 201 and answer.data == slot and client.answer(other).status == 200
    facts = told(proxy, 4)  # two workers saw the one; an order; and the other
    [bob] = [fact.user for fact in facts if fact.goals == HELP]
    [ann] = {fact.user for fact in facts} - {bob}
    assert sorted((fact.goals, fact.value) for fact in facts if fact.user == ann and fact.goals) == [(ORDER, 20.5)]
    assert {fact.green for fact in facts if fact.user == ann} == {slot == b"green"}


def test_who_is_given_a_cookie_counts_when_it_comes_back(proxy):
    divide(proxy, COOKIE)
    with proxy.connect() as s:
        cookies = [ask(s, "/order", "POST")[1]["Set-Cookie"].partition(";")[0] for _ in range(5)]
        assert told(proxy, 0) == []
        for cookie in cookies[:3] * 2:
            ask(s, headers=[f"Cookie: theme=dark; {cookie}"])
        assert len({fact.user for fact in told(proxy, 3)}) == 3
