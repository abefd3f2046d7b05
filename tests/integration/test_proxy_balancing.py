# SPDX-License-Identifier: Apache-2.0
"""How requests are shared out among the instances of a slot: weights, hashes, slow start, limits with
queues, and instances that are left out for their answers."""
import collections
import contextlib
import json
import socket
import struct
import threading
import time

import pytest
from dataplane import Proxy, ask, eventually, read_answer
from origins import Origin, answering

HEAD = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"


@contextlib.contextmanager
def named(*names, behave=None):
    """Origins that answer with their names."""
    with contextlib.ExitStack() as stack:
        yield [stack.enter_context(Origin(behave(n) if behave else answering(n))) for n in names]


class Gated:
    """An origin's behaviour: every request waits for the gate; counts them and remembers their order."""

    def __init__(self):
        self.gate, self.lock, self.order = threading.Semaphore(0), threading.Lock(), []
        self.now = self.most = 0

    def __call__(self, connection):
        while connection.read_head():
            with self.lock:
                self.order.append(connection.path)
                self.now += 1
                self.most = max(self.most, self.now)
            self.gate.acquire(timeout=20)
            with self.lock:
                self.now -= 1
            connection.answer(b"done")


def shares(proxy, count, **kwargs):
    with proxy.connect() as s:
        return collections.Counter(ask(s, **kwargs)[2] for _ in range(count))


def roster(proxy, name, addresses, weights=None, **kwargs):
    line = proxy.roster(name, {"blue": addresses}, **kwargs)
    for item, weight in zip(line["list"], weights or []):
        item["weight"] = weight
    return line


def reports(proxy, kind, patience=20):
    """Waits for the proxy's line of that kind."""
    proxy.stream.settimeout(patience)
    while True:
        line = json.loads(proxy.reader.readline())
        if kind in line:
            return line[kind]


@pytest.mark.parametrize("balance", ["round-robin", "least-requests"])
def test_instances_get_requests_by_their_weights(proxy, balance):
    with named(b"a", b"b", b"c") as origins:
        addresses = [o.address for o in origins]
        proxy.route("web", {"blue": addresses}, balance=balance)
        proxy.tell(instances=roster(proxy, "web", addresses, weights=[1, 2, 5]))
        count = shares(proxy, 800)
        exact = 0 if balance == "round-robin" else 70  # more than 5 standard deviations
        for name, expected in (b"a", 100), (b"b", 200), (b"c", 500):
            assert abs(count[name] - expected) <= exact, count


def test_a_hash_sends_a_key_to_one_instance_and_moves_few_keys_when_one_goes(proxy):
    with named(b"a", b"b", b"c", b"d") as origins:
        addresses = [o.address for o in origins]
        proxy.route("web", {"blue": addresses}, balance="hash", identity={"by": "path"})

        def places():
            with proxy.connect() as s:
                return {n: ask(s, f"/{n}?x={n}")[2] for n in range(200)}
        first = places()
        assert places() == first
        count = collections.Counter(first.values())
        assert len(count) == 4 and min(count.values()) > 20
        proxy.tell(instances=proxy.roster("web", {"blue": addresses}, ill=[addresses[0]]))
        second = places()
        assert b"a" not in second.values()
        assert all(second[n] == first[n] for n in first if first[n] != b"a")
        proxy.tell(instances=proxy.roster("web", {"blue": addresses}))
        assert places() == first


def test_no_instance_gets_far_more_than_its_share_of_one_key(proxy):
    busy = [Gated() for _ in range(4)]
    with contextlib.ExitStack() as stack:
        origins = [stack.enter_context(Origin(b)) for b in busy]
        proxy.route("web", {"blue": [o.address for o in origins]}, balance="hash",
                    identity={"by": "header", "name": "X-Tenant"})
        clients = [stack.enter_context(proxy.connect()) for _ in range(48)]
        for client in clients:
            client.sendall(HEAD[:-2] + b"x-tenant: big\r\n\r\n")
        eventually(lambda: sum(b.now for b in busy) == len(clients))
        assert max(b.most for b in busy) <= 15  # 1.25 times 12
        for b in busy:
            b.gate.release(100)
        assert {read_answer(c)[2] for c in clients} == {b"done"}


def test_an_instance_that_joins_warm_ones_gets_its_share_little_by_little(proxy):
    with named(b"a", b"b") as origins:
        addresses = [o.address for o in origins]
        proxy.route("web", {"blue": addresses}, slow_start_ms=3000)
        assert shares(proxy, 100) == {b"a": 50, b"b": 50}  # all of them were there from the start
        proxy.tell(instances=proxy.roster("web", {"blue": addresses}, ill=[addresses[1]]))
        began = time.monotonic()
        proxy.tell(instances=proxy.roster("web", {"blue": addresses}))
        early = shares(proxy, 200)[b"b"]
        if time.monotonic() - began < 1:  # else the machine is too slow to tell
            assert early < 70
        eventually(lambda: abs(shares(proxy, 100)[b"b"] - 50) <= 1)


def test_a_whole_release_that_is_new_does_not_start_slowly(proxy):
    with named(b"a", b"b") as origins:
        addresses = [o.address for o in origins]
        proxy.route("web", {"blue": addresses}, slow_start_ms=60000)
        proxy.tell(instances=proxy.roster("web", {"blue": addresses}, ill=addresses))
        proxy.tell(instances=proxy.roster("web", {"blue": addresses}, ill=addresses[1:]))
        proxy.tell(instances=proxy.roster("web", {"blue": addresses}))
        assert shares(proxy, 100) == {b"a": 50, b"b": 50}


# --- limits and queues

@pytest.mark.parametrize("workers", [1, 2, 4])
def test_an_instance_never_has_more_requests_than_its_limit(workers):
    busy = Gated()
    with Proxy(workers=workers) as proxy, Origin(busy) as origin, contextlib.ExitStack() as stack:
        proxy.route("web", {"blue": [origin.address]}, requests_max=2, queue_ms=60000)
        clients = [stack.enter_context(proxy.connect()) for _ in range(40)]
        for client in clients:
            client.sendall(HEAD)
        eventually(lambda: busy.now == 2)
        busy.gate.release(1000)
        assert {read_answer(c)[0] for c in clients} == {200}
        assert busy.most == 2


def test_the_queue_is_first_come_first_served(proxy):
    busy = Gated()
    with Origin(busy) as origin, contextlib.ExitStack() as stack:
        proxy.route("web", {"blue": [origin.address]}, requests_max=1, queue_ms=60000)
        clients = []
        for n in range(10):
            clients.append(stack.enter_context(proxy.connect()))
            clients[-1].sendall(HEAD.replace(b"/ ", b"/%d " % n, 1))
            proxy.ping()  # it is in the queue before the next one comes
        for n in range(10):
            busy.gate.release()
            assert read_answer(clients[n])[2] == b"done"
        assert busy.order == [f"/{n}" for n in range(10)]


def test_a_full_queue_and_a_long_wait_are_503_and_say_so(proxy):
    busy = Gated()
    with Origin(busy) as origin, contextlib.ExitStack() as stack:
        proxy.route("web", {"blue": [origin.address]}, requests_max=1, queue_max=2, queue_ms=300)
        clients = [stack.enter_context(proxy.connect()) for _ in range(4)]
        for client in clients:
            client.sendall(HEAD)
            proxy.ping()
        answers = [read_answer(c)[:2] for c in clients[1:]]
        assert [status for status, _ in answers] == [503] * 3
        assert [fields["X-Bascule-Reason"] for _, fields in answers] == \
            ["queue-timeout", "queue-timeout", "queue-full"]
        busy.gate.release(10)
        assert read_answer(clients[0])[0] == 200
        with proxy.connect() as s:  # nothing is left behind
            assert ask(s)[0] == 200
        cell = proxy.cell("web", "blue")
        assert (cell["errors"], cell["queued"], cell["queue_refused"], cell["queue_timed_out"]) == (3, 3, 1, 2)
        assert busy.most == 1


def test_a_client_that_leaves_frees_its_place_in_the_queue(proxy):
    busy = Gated()
    with Origin(busy) as origin, contextlib.ExitStack() as stack:
        proxy.route("web", {"blue": [origin.address]}, requests_max=1, queue_max=1, queue_ms=60000)
        first, last = proxy.connect(), stack.enter_context(proxy.connect())
        stack.enter_context(first)
        first.sendall(HEAD)
        proxy.ping()
        for left in range(1, 6):
            leaving = proxy.connect()
            leaving.sendall(HEAD)
            proxy.ping()
            leaving.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            leaving.close()
            eventually(lambda: proxy.cell("web", "blue")["client_left"] == left)
        last.sendall(HEAD)
        proxy.ping()
        busy.gate.release(10)
        assert read_answer(first)[0] == read_answer(last)[0] == 200
        assert len(busy.order) == 2


def test_those_who_wait_go_where_the_traffic_goes(proxy):
    busy = Gated()
    with Origin(busy) as old, Origin(answering(b"new")) as new, contextlib.ExitStack() as stack:
        proxy.route("web", {"blue": [old.address], "green": [new.address]}, requests_max=1,
                    queue_ms=60000)
        clients = [stack.enter_context(proxy.connect()) for _ in range(5)]
        for client in clients:
            client.sendall(HEAD)
            proxy.ping()
        proxy.switch("web", "green")
        assert [read_answer(c)[2] for c in clients[1:]] == [b"new"] * 4
        busy.gate.release(1)
        assert read_answer(clients[0])[2] == b"done"


def test_a_limit_that_is_raised_lets_those_in_who_wait(proxy):
    busy = Gated()
    with Origin(busy) as origin, contextlib.ExitStack() as stack:
        proxy.route("web", {"blue": [origin.address]}, requests_max=1, queue_ms=60000)
        clients = [stack.enter_context(proxy.connect()) for _ in range(4)]
        for client in clients:
            client.sendall(HEAD)
        eventually(lambda: busy.now == 1)
        proxy.tell(service={"name": "web", "routes": [{"host": None, "path": "/"}],
                            "requests_max": 4})
        eventually(lambda: busy.now == 4)
        busy.gate.release(10)
        assert {read_answer(c)[0] for c in clients} == {200}


# --- ejection

EJECTION = {"errors": 3, "min_requests": 0, "max_percent": 50, "interval_ms": 1000, "time_ms": 500}


def breakable(switch):
    def behave(connection):
        while connection.read_head():
            if switch.is_set():
                connection.answer(b"broken", status="500 Oops")
            else:
                connection.answer(b"fine")
    return behave


def test_errors_in_a_row_eject_an_instance_for_a_while_each_time_longer(proxy):
    broken = threading.Event()
    broken.set()
    with Origin(breakable(broken)) as bad, Origin(answering(b"good")) as good:
        proxy.route("web", {"blue": [bad.address, good.address]}, ejection=EJECTION)
        gauge = proxy.gauges[("web", "blue", bad.address)]
        with proxy.connect() as s:
            eventually(lambda: ask(s)[0] == 200 and ask(s)[0] == 200)
            told = reports(proxy, "ejected")
            assert told["service"] == "web" and told["instance"] == f"web-blue-{gauge}"
            assert told["reason"] == "3 errors in a row" and 0 < told["for_ms"] <= 500
            assert reports(proxy, "returned") == {"service": "web", "instance": told["instance"]}
            eventually(lambda: ask(s) and proxy.gauge("web", "blue", bad.address)[0] >= 6)
            assert 500 < reports(proxy, "ejected")["for_ms"] <= 1000
            broken.clear()
            reports(proxy, "returned")
            eventually(lambda: {ask(s)[2] for _ in range(4)} == {b"fine", b"good"})
        cell = proxy.cell("web", "blue")
        assert cell["no_instance"] == 0 and cell["errors"] == 6 and cell["ejections"] == 2


def test_a_success_between_errors_saves_an_instance(proxy):
    count = [0]

    def every_third(connection):
        while connection.read_head():
            count[0] += 1
            good = count[0] % 3 == 0
            connection.answer(b"x", status="200 OK" if good else "500 Oops")
    with Origin(every_third) as bad, Origin(answering(b"good")) as good:
        proxy.route("web", {"blue": [bad.address, good.address]}, ejection=EJECTION)
        shares(proxy, 60)
        assert proxy.gauge("web", "blue", bad.address)[0] == 30


def test_never_more_than_a_share_is_ejected_and_never_the_last_one(proxy):
    broken = threading.Event()
    broken.set()
    with contextlib.ExitStack() as stack:
        origins = [stack.enter_context(Origin(breakable(broken))) for _ in range(4)]
        addresses = [o.address for o in origins]
        proxy.route("web", {"blue": addresses}, ejection={**EJECTION, "time_ms": 60000})
        with proxy.connect() as s:
            for _ in range(80):
                assert ask(s)[0] == 500
        one, two = reports(proxy, "ejected"), reports(proxy, "ejected")
        assert one["instance"] != two["instance"]
        before = [proxy.gauge("web", "blue", a)[0] for a in addresses]
        shares(proxy, 40)
        after = [proxy.gauge("web", "blue", a)[0] for a in addresses]
        assert sum(b == a for a, b in zip(before, after)) == 2
        # The other two fall ill: those that were left out are better than nobody.
        left = [a for a, x, y in zip(addresses, before, after) if x != y]
        proxy.tell(instances=proxy.roster("web", {"blue": addresses}, ill=left))
        assert shares(proxy, 4) == {b"broken": 4}


def test_a_single_instance_is_never_ejected(proxy):
    broken = threading.Event()
    broken.set()
    with Origin(breakable(broken)) as only:
        proxy.route("web", {"blue": [only.address]}, ejection={**EJECTION, "max_percent": 100})
        assert shares(proxy, 30) == {b"broken": 30}
        broken.clear()
        assert shares(proxy, 3) == {b"fine": 3}


def test_errors_are_counted_over_all_workers():
    broken = threading.Event()
    broken.set()
    with Proxy(workers=4) as proxy, Origin(breakable(broken)) as bad, \
            Origin(answering(b"good")) as good:
        proxy.route("web", {"blue": [bad.address, good.address]},
                    ejection={**EJECTION, "time_ms": 60000})

        def once():
            with proxy.connect() as s:  # any worker
                return ask(s)[0] == 200
        eventually(lambda: all(once() for _ in range(12)))
        assert reports(proxy, "ejected")["reason"] == "3 errors in a row"
        assert proxy.gauge("web", "blue", bad.address)[0] < 12


def test_an_instance_that_fails_far_more_often_than_the_others_is_ejected(proxy):
    count = [0]

    def half(connection):
        while connection.read_head():
            count[0] += 1
            connection.answer(b"x", status="200 OK" if count[0] % 2 else "503 Busy")
    with Origin(half) as bad, Origin(answering(b"a")) as a, Origin(answering(b"b")) as b:
        proxy.route("web", {"blue": [bad.address, a.address, b.address]},
                    ejection={**EJECTION, "min_requests": 20, "interval_ms": 1000, "time_ms": 60000})
        eventually(lambda: b"x" not in shares(proxy, 120))
        assert "far more than the others" in reports(proxy, "ejected")["reason"]


def test_a_new_controller_is_told_who_is_ejected(proxy):
    broken = threading.Event()
    broken.set()
    with Origin(breakable(broken)) as bad, Origin(answering(b"good")) as good:
        options = {"ejection": {**EJECTION, "time_ms": 60000}}
        slots = {"blue": [bad.address, good.address]}
        proxy.route("web", slots, **options)
        with proxy.connect() as s:
            eventually(lambda: all(ask(s)[0] == 200 for _ in range(4)))
        first = reports(proxy, "ejected")
        proxy.connect_controller(epoch=2)
        proxy.send_lines([{"hello": {"protocol": 1, "epoch": 2}}, *(
            {"seq": i + 1, **line} for i, line in enumerate(
                [*proxy.service_lines("web", slots, **options), {"end": True}]))])
        again = reports(proxy, "ejected")
        assert again["instance"] == first["instance"] and again["for_ms"] <= first["for_ms"]
        assert shares(proxy, 10) == {b"good": 10}
