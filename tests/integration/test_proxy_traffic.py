# SPDX-License-Identifier: Apache-2.0
"""Where requests go: splits, balancing, retries, health, holding, stopping, time-outs."""
import socket
import threading
import time

import pytest
from dataplane import Proxy, ask, eventually, read_answer
from origins import Origin, answering

HEAD = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"


def test_a_switch_moves_requests_also_on_connections_that_are_open(proxy, pair):
    blue, green = pair
    proxy.route("web", {"blue": [blue.address], "green": [green.address]})
    with proxy.connect() as s:
        for slot in ("blue", "green", "blue"):
            proxy.switch("web", slot)
            assert ask(s)[2] == slot.encode()


def test_a_split_is_tossed_request_by_request(proxy, pair):
    blue, green = pair
    proxy.route("web", {"blue": [blue.address], "green": [green.address]},
                weights={"blue": 7500, "green": 2500})
    with proxy.connect() as s:
        answers = [ask(s)[2] for _ in range(2000)]
    assert 380 < answers.count(b"green") < 620  # 6 standard deviations
    assert proxy.cell("web", "green")["requests"] == answers.count(b"green")


def test_round_robin_takes_turns_and_the_ill_get_nothing(proxy):
    with Origin(answering(b"a")) as a, Origin(answering(b"b")) as b, \
            Origin(answering(b"c")) as c, proxy.connect() as s:
        addresses = [a.address, b.address, c.address]
        proxy.route("web", {"blue": addresses})
        assert sorted(ask(s)[2] for _ in range(6)) == sorted([b"a", b"b", b"c"] * 2)
        proxy.tell(instances=proxy.roster("web", {"blue": addresses}, ill=[b.address]))
        assert {ask(s)[2] for _ in range(6)} == {b"a", b"c"}
        proxy.tell(instances=proxy.roster("web", {"blue": addresses}))
        assert {ask(s)[2] for _ in range(6)} == {b"a", b"b", b"c"}


def test_least_requests_goes_round_a_busy_instance(proxy):
    gate = threading.Event()

    def behave(connection, name):
        while connection.read_head():
            if connection.path == "/slow":
                gate.wait(20)
            connection.answer(name)
    with Origin(lambda c: behave(c, b"a")) as a, Origin(lambda c: behave(c, b"b")) as b:
        proxy.route("web", {"blue": [a.address, b.address]}, balance="least-requests")
        waiting = proxy.connect()
        waiting.sendall(HEAD.replace(b"/ ", b"/slow "))
        eventually(lambda: sum(proxy.gauge("web", "blue", o.address)[0] for o in (a, b)) == 1)
        with proxy.connect() as s:
            answers = {ask(s)[2] for _ in range(20)}
        gate.set()
        assert answers == {b"a", b"b"} - {read_answer(waiting)[2]}
        waiting.close()


def test_routes_are_found_by_host_and_path(proxy, pair):
    blue, green = pair
    lines = proxy.service_lines("shop", {"blue": [blue.address]},
                                routes=[{"host": "shop.example", "path": "/"}])
    lines += proxy.service_lines("api", {"blue": [green.address]},
                                 routes=[{"host": "shop.example", "path": "/api"}])
    assert not proxy.begin(lines)
    with proxy.connect() as s:
        assert ask(s, "/", host="shop.example")[2] == b"blue"
        assert ask(s, "/api/x", host="SHOP.example:80")[2] == b"green"
        status, fields, body = ask(s, "/", host="other.example", headers=["Accept: application/json"])
        assert (status, fields["X-Bascule-Reason"]) == (404, "no-route") and body.startswith(b"{")
        proxy.tell(remove={"service": "api"})
        assert ask(s, "/api/x", host="shop.example")[2] == b"blue"


def test_without_a_healthy_instance_the_answer_is_503_and_an_error_of_that_slot(proxy, pair):
    blue, green = pair
    proxy.route("web", {"blue": [blue.address], "green": [green.address]})
    proxy.tell(instances=proxy.roster("web", {"blue": [blue.address], "green": [green.address]},
                                      ill=[blue.address]))
    with proxy.connect() as s:
        status, fields, _ = ask(s)
        assert (status, fields["X-Bascule-Reason"]) == (503, "no-instance")
        cell = proxy.cell("web", "blue")
        assert (cell["claimed"], cell["requests"], cell["errors"], cell["no_instance"]) == (1, 1, 1, 1)
        proxy.switch("web", "green")
        assert ask(s)[2] == b"green"


def test_a_service_without_instances_or_split_says_so(proxy):
    proxy.begin(proxy.service_lines("web", {"blue": []})[:1])
    assert proxy.get()[0] == 503


def test_a_refused_connection_is_tried_elsewhere_whatever_the_method(proxy):
    with Origin() as dead:
        address = dead.address
    with Origin(answering(b"alive")) as alive, proxy.connect() as s:
        proxy.route("web", {"blue": [address, alive.address]})
        for method, body in [("GET", b""), ("POST", b"data"), ("PATCH", b"")] * 3:
            assert ask(s, method=method, body=body)[2] == b"alive"
        cell = proxy.cell("web", "blue")
        assert cell["errors"] == 0 and 1 <= cell["retries"] <= 9
        eventually(lambda: proxy.gauge("web", "blue", address) ==
                   (cell["retries"], cell["retries"]))


def test_with_every_instance_dead_the_answer_is_502(proxy):
    with Origin() as dead:
        address = dead.address
    proxy.route("web", {"blue": [address]})
    status, fields, _ = proxy.get()
    assert (status, fields["X-Bascule-Reason"]) == (502, "connect-failed")
    assert proxy.cell("web", "blue")["connect_failed"] == 1


def test_a_kept_connection_that_dies_is_replaced_for_requests_that_may_be_repeated(proxy):
    served = []

    def once(connection):  # closes when the second request comes, unanswered
        connection.read_head()
        served.append(connection.path)
        connection.answer(b"ok")
        if connection.read_head():
            connection.reset()
    with Origin(once), proxy.connect() as s:
        origin = Origin(once)
        proxy.route("web", {"blue": [origin.address]})
        for i in range(6):
            assert ask(s, f"/{i}")[::2] == (200, b"ok")
        assert served == [f"/{i}" for i in range(6)]
        assert proxy.cell("web", "blue")["retries"] >= 3
        origin.stop()


def test_a_request_that_may_not_be_repeated_is_sent_once(proxy):
    posts = []

    def script(connection):
        while connection.read_head():
            connection.read_body()
            if connection.head.startswith(b"POST"):
                posts.append(1)
                connection.reset()
                return
            connection.answer(b"ok")
    with Origin(script) as origin, Origin(script) as other, proxy.connect() as s:
        proxy.route("web", {"blue": [origin.address, other.address]})
        assert ask(s)[0] == 200
        assert ask(s, method="POST", body=b"x")[0] == 502
        assert len(posts) == 1


def test_retries_stay_within_their_budget(proxy):
    def script(connection):
        connection.read_head()
        time.sleep(0.3)
        connection.reset()
    with Origin(script) as origin:
        proxy.route("web", {"blue": [origin.address]})
        clients = [proxy.connect() for _ in range(40)]
        for c in clients:
            c.sendall(HEAD)
        assert all(read_answer(c)[0] == 502 for c in clients)
        # a fifth of 40, and three at once whatever happened before, each of them twice
        assert 8 <= proxy.cell("web", "blue")["retries"] <= 8 + 2 * 3
        for c in clients:
            c.close()


def test_held_requests_wait_and_go_where_the_traffic_is_then(proxy, pair):
    blue, green = pair
    slots = {"blue": [blue.address], "green": [green.address]}
    proxy.route("web", slots)
    service = proxy.service_lines("web", slots)[0]["service"]
    proxy.tell(service={**service, "traffic": "hold"})
    clients = [proxy.connect() for _ in range(10)]
    for c in clients:
        c.sendall(HEAD)
    eventually(lambda: proxy.shard_total("held") == 10)
    proxy.switch("web", "green")
    assert proxy.shard_total("held") == 10 and green.connections == 0
    proxy.tell(service={**service, "traffic": "serve"})
    assert all(read_answer(c)[2] == b"green" for c in clients)
    assert proxy.shard_total("held") == 0 and blue.connections == 0
    for c in clients:
        c.close()


def test_holding_is_bounded_in_number_and_time_and_forgets_who_leaves(pair):
    blue, _ = pair
    with Proxy(workers=2) as proxy:
        proxy.route("web", {"blue": [blue.address]}, traffic="hold", hold_max=2, hold_ms=1500)
        one, two = proxy.connect(), proxy.connect()
        one.sendall(HEAD)
        two.sendall(HEAD)
        eventually(lambda: proxy.shard_total("held") == 2)
        status, fields, _ = proxy.get()
        assert (status, fields["X-Bascule-Reason"]) == (503, "hold-full")
        one.close()
        eventually(lambda: proxy.shard_total("held") == 1)
        with proxy.connect() as three:
            three.sendall(HEAD)
            eventually(lambda: proxy.shard_total("held") == 2)
            status, fields, _ = read_answer(two)
            assert (status, fields["X-Bascule-Reason"]) == (504, "hold-timeout")
            assert read_answer(three)[0] == 504
        two.close()
        assert proxy.shard_total("held") == 0
        assert (proxy.shard_total("held_refused"), proxy.shard_total("held_timed_out")) == (1, 2)


@pytest.mark.parametrize("mode,reason", [("maintenance", "maintenance"), ("stop", "stopped")])
def test_maintenance_and_stop_answer_at_once_also_those_that_wait(proxy, pair, mode, reason):
    blue, _ = pair
    proxy.route("web", {"blue": [blue.address]}, traffic="hold")
    service = proxy.service_lines("web", {"blue": [blue.address]})[0]["service"]
    with proxy.connect() as s:
        s.sendall(HEAD)
        eventually(lambda: proxy.shard_total("held") == 1)
        proxy.tell(service={**service, "traffic": mode})
        status, fields, _ = read_answer(s)
        assert (status, fields["X-Bascule-Reason"]) == (503, reason)
        assert ("Retry-After" in fields) == (mode == "maintenance")
    status, fields, _ = proxy.get()
    assert status == 503 and (fields.get("Connection") == "close") == (mode == "stop")
    assert blue.connections == 0


def test_an_answer_that_does_not_come_is_504(proxy):
    def script(connection):
        connection.read_head()
        connection.sock.recv(1)
    with Origin(script) as origin:
        proxy.route("web", {"blue": [origin.address]}, answer_ms=200)
        status, fields, _ = proxy.get()
        assert (status, fields["X-Bascule-Reason"]) == (504, "answer-timeout")
        cell = proxy.cell("web", "blue")
        assert (cell["timed_out"], cell["errors"], cell["s5"]) == (1, 1, 1)


def test_an_answer_that_stops_in_the_middle_is_broken_off(proxy):
    def script(connection):
        connection.read_head()
        connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf")
        connection.sock.recv(1)
    with Origin(script) as origin:
        proxy.route("web", {"blue": [origin.address]}, idle_ms=200)
        with pytest.raises(Exception):
            proxy.get()
        assert proxy.cell("web", "blue")["timed_out"] == 1


def test_a_body_that_does_not_arrive_is_408_and_not_the_slots_fault(proxy, pair):
    proxy.route("web", {"blue": [pair[0].address]}, idle_ms=200)
    with proxy.connect() as s:
        s.sendall(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhalf")
        assert read_answer(s)[0] == 408
    assert proxy.cell("web", "blue")["errors"] == 0


def test_an_instance_that_does_not_accept_in_time_is_504(proxy):
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen(0)
    address = "%s:%d" % listener.getsockname()
    fill = [socket.socket() for _ in range(4)]
    for s in fill:  # the listen queue is full: a further SYN is not answered
        s.setblocking(False)
        s.connect_ex(listener.getsockname())
    proxy.route("web", {"blue": [address]}, connect_ms=200)
    status, fields, _ = proxy.get()
    assert (status, fields["X-Bascule-Reason"]) == (504, "connect-timeout")
    for s in [*fill, listener]:
        s.close()


def test_splits_of_one_line_are_applied_together(proxy, pair):
    blue, green = pair
    slots = {"blue": [blue.address], "green": [green.address]}
    lines = []
    for name in ("one", "two"):
        lines += proxy.service_lines(name, slots, routes=[{"host": name, "path": "/"}])
    assert not proxy.begin(lines)
    weights = {"blue": 0, "green": 10000}
    proxy.tell(splits=[proxy.split("one", weights), proxy.split("two", weights)])
    with proxy.connect() as s:
        assert {ask(s, host=n)[2] for n in ("one", "two")} == {b"green"}


@pytest.mark.parametrize("line", [
    '{"seq":99,"service":{"name":""}}', '{"seq":99,"service":{"name":"x","answer_ms":-1}}',
    '{"seq":99,"service":{"name":"x","traffic":"fly"}}',
    '{"seq":99,"service":{"name":"x","routes":[{"host":null,"path":"/"}]}}',
    '{"seq":99,"instances":{"service":"unknown","list":[]}}',
    '{"seq":99,"instances":{"service":"web","list":[{"id":"a","slot":"blue","gauge":0}]}}',
    '{"seq":99,"instances":{"service":"web","list":[{"id":"a","slot":"blue","gauge":1,'
    '"healthy":true,"address":"nowhere"}]}}',
    '{"seq":99,"splits":[{"service":"web","generation":1,"weights":{"blue":1,"green":1},'
    '"cells":{"blue":0,"green":1}}]}',
    '{"seq":99,"splits":[{"service":"web","generation":1,"weights":{"blue":10000,"green":0},'
    '"cells":{"blue":99999999,"green":1}}]}',
    '{"seq":99,"splits":7}', '{"seq":99,"end":true}', 'nonsense', '[]', '{}', '[' * 5000,
    '{"seq":99,"remove":[]}', '{"hello":{"protocol":2}}', '{"seq":"x"}'])
def test_a_line_that_makes_no_sense_is_refused_and_changes_nothing(proxy, pair, line):
    proxy.route("web", {"blue": [pair[0].address], "green": [pair[1].address]})
    proxy.stream.sendall(line.encode() + b"\n")
    assert proxy.answers(99)
    proxy.switch("web", "green")
    assert proxy.get()[2] == b"green"


def test_a_line_without_end_is_refused_and_skipped(proxy, pair):
    proxy.route("web", {"blue": [pair[0].address], "green": [pair[1].address]})
    for _ in range(18):
        proxy.stream.sendall(b"x" * (1 << 20))
    proxy.stream.sendall(b"\n")
    assert "more than" in proxy.answers(0)[0]["text"]
    proxy.switch("web", "green")
    assert proxy.get()[2] == b"green"
