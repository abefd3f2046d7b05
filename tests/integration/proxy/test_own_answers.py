# SPDX-License-Identifier: Apache-2.0
"""Answers of the proxy itself: their status, their reason, their body; holding and stopping."""
import json
import socket

import pytest

from dataplane import eventually
from wire import Origin, field, status

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
POST = b"POST / HTTP/1.1\r\nHost: HOST\r\nContent-Length: 4\r\n\r\nbody"


def own(client, code, reason):
    head = client.head()
    assert (status(head), field(head, "x-bascule-reason")) == (code, reason), head
    return head, client.exact(int(field(head, "content-length")))


def test_no_route_is_404_and_the_connection_goes_on(site):
    client = site.client(b"GET / HTTP/1.1\r\nHost: nobody.test\r\n\r\n")
    head, body = own(client, 404, "no-route")
    assert field(head, "connection") is None
    assert b"404 Not Found" in body and b"no-route" in body
    client.send(site.get())
    up = site.origin.accept()
    up.head()
    up.send(OK)
    assert status(client.head()) == 200


def test_json_is_for_those_who_accept_it(site):
    client = site.client(b"GET / HTTP/1.1\r\nHost: nobody.test\r\nAccept: application/json\r\n\r\n")
    head, body = own(client, 404, "no-route")
    assert field(head, "content-type") == "application/problem+json"
    problem = json.loads(body)
    assert (problem["status"], problem["title"], problem["reason"]) == (404, "Not Found", "no-route")
    client.send(b"GET / HTTP/1.1\r\nHost: nobody.test\r\nAccept: text/html, */*\r\n\r\n")
    head, body = own(client, 404, "no-route")
    assert field(head, "content-type").startswith("text/html") and body.startswith(b"<!doctype")


def test_head_gets_no_body(site):
    client = site.client(b"HEAD / HTTP/1.1\r\nHost: nobody.test\r\n\r\n" + site.get())
    head = client.head()
    assert status(head) == 404 and int(field(head, "content-length")) > 0
    up = site.origin.accept()
    up.head()
    up.send(OK)
    assert status(client.head()) == 200


def test_the_body_of_a_refused_request_is_no_next_request(site):
    client = site.client(b"POST / HTTP/1.1\r\nHost: nobody.test\r\nContent-Length: 28\r\n\r\n"
                         b"GET / HTTP/1.1\r\nHost: a\r\n\r\n" + b"!" + site.get(b"/real"))
    own(client, 404, "no-route")
    up = site.origin.accept()
    assert up.head().startswith(b"GET /real ")
    up.send(OK)
    assert status(client.head()) == 200


def test_an_unfinished_body_of_a_refused_request_closes_the_connection(site):
    client = site.client(b"POST / HTTP/1.1\r\nHost: nobody.test\r\nContent-Length: 1000000\r\n\r\n")
    head, _ = own(client, 404, "no-route")
    assert field(head, "connection") == "close"
    client.send(b"x" * 100000 + site.get())
    client.rest()
    assert site.origin.untouched()


def test_a_service_without_healthy_instances_is_503(site):
    site.serve([])
    own(site.client(site.get()), 503, "no-instance")
    site.counted(requests=1, no_instance=1, errors=1)
    site.addresses = []


def test_a_service_without_a_split_is_503(site):
    name, host = site.name + "-bare", b"bare." + site.host.encode()
    site.proxy.tell(service={"name": name, "routes": [{"host": host.decode(), "path": "/"}]})
    own(site.client(b"GET / HTTP/1.1\r\nHost: " + host + b"\r\n\r\n"), 503, "no-instance")
    site.proxy.tell(remove={"service": name})


def test_maintenance_says_when_to_come_back(site):
    site.change(traffic="maintenance")
    client = site.client(site.get())
    head, _ = own(client, 503, "maintenance")
    assert int(field(head, "retry-after")) > 0 and field(head, "connection") is None
    site.change(traffic="serve")
    client.send(site.get())
    up = site.origin.accept()
    up.head()
    up.send(OK)
    assert status(client.head()) == 200


def test_stop_closes(site):
    site.change(traffic="stop")
    client = site.client(site.get())
    head, _ = own(client, 503, "stopped")
    assert field(head, "connection") == "close"
    assert client.ended()


def test_held_requests_wait_and_go_on(site):
    site.change(traffic="hold")
    clients = [site.client(site.get(b"/%d" % i)) for i in range(3)]
    posting = site.client(POST)
    assert site.origin.untouched() and all(c.quiet() for c in clients)
    eventually(lambda: site.proxy.shard_total("held") == 4, what="four held")
    site.change(traffic="serve")
    seen = []
    for _ in range(4):
        up = site.origin.accept()
        head = up.head()
        if head.startswith(b"POST"):
            assert up.exact(4) == b"body"
        seen.append(head.split()[1])
        up.send(OK)
    assert sorted(seen) == [b"/", b"/0", b"/1", b"/2"]
    for client in [*clients, posting]:
        assert status(client.head()) == 200
    assert site.proxy.shard_total("held") == 0


def test_a_held_request_goes_where_the_traffic_goes_then(site):
    site.change(traffic="hold")
    client = site.client(site.get())
    eventually(lambda: site.proxy.shard_total("held") == 1, what="held")
    with Origin() as second:
        site.serve([second.address])
        site.change(traffic="serve")
        up = second.accept()
        up.head()
        up.send(OK)
        assert status(client.head()) == 200
    assert site.origin.untouched()


def test_holding_is_bounded_and_a_client_that_leaves_frees_its_place(site):
    site.change(traffic="hold", hold_max=2)
    first, second = site.client(site.get()), site.client(site.get())
    eventually(lambda: site.proxy.shard_total("held") == 2, what="two held")
    own(site.client(site.get()), 503, "hold-full")
    first.reset()
    eventually(lambda: site.proxy.shard_total("held") == 1, what="one left")
    third = site.client(site.get())
    eventually(lambda: site.proxy.shard_total("held") == 2, what="two again")
    assert third.quiet()
    second.close()  # without a reset, it must be found out
    eventually(lambda: site.proxy.shard_total("held") == 1, what="one found gone")
    site.change(traffic="serve")
    up = site.origin.accept()
    up.head()
    up.send(OK)
    assert status(third.head()) == 200


def test_a_held_request_times_out(site):
    site.change(traffic="hold", hold_ms=100)
    own(site.client(site.get()), 504, "hold-timeout")
    assert site.proxy.shard_total("held") == 0


def test_pipelined_requests_behind_a_held_one_wait_too(site):
    site.change(traffic="hold")
    client = site.client(site.get(b"/1") + b"GET / HTTP/1.1\r\nHost: nobody.test\r\n\r\n")
    assert client.quiet()
    site.change(traffic="serve")
    up = site.origin.accept()
    up.head()
    up.send(OK)
    assert status(client.head()) == 200
    client.exact(2)
    own(client, 404, "no-route")


def test_an_origin_that_does_not_answer_is_504(site):
    site.change(answer_ms=100)
    client = site.client(site.get())
    up = site.origin.accept()
    up.head()
    own(client, 504, "answer-timeout")
    assert up.ended()
    site.counted(requests=1, timed_out=1, errors=1)
    assert site.origin.untouched()  # it may be at work: no second time


def test_an_origin_that_stalls_in_its_answer_is_cut_off(site):
    site.change(idle_ms=100)
    client = site.client(site.get())
    up = site.origin.accept()
    up.head()
    up.send(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n12345")
    client.head()
    assert client.rest() == (b"12345", True)
    assert up.ended()
    site.counted(requests=1, timed_out=1, errors=1)


def test_an_origin_that_keeps_sending_is_not_cut_off(site):
    site.change(idle_ms=200, answer_ms=200)
    client = site.client(site.get())
    up = site.origin.accept()
    up.head()
    up.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    client.head()
    for _ in range(6):
        assert client.quiet()  # 0.15 s each, together longer than any limit
        up.send(b"1\r\nx\r\n")
        assert client.exact(6) == b"1\r\nx\r\n"
    up.send(b"0\r\n\r\n")
    assert client.exact(5) == b"0\r\n\r\n"


def test_a_client_that_stalls_in_its_body_is_408(site):
    site.change(idle_ms=100)
    client = site.client(b"POST / HTTP/1.1\r\nHost: HOST\r\nContent-Length: 10\r\n\r\n12345")
    up = site.origin.accept()
    up.head(), up.exact(5)
    head, _ = own(client, 408, "request-timeout")
    assert field(head, "connection") == "close"
    assert up.ended()
    site.counted(requests=1, errors=0)  # not the service's fault


def test_an_address_that_does_not_accept_is_504(site):
    full = socket.socket()
    full.bind(("127.0.0.1", 0))
    full.listen(0)
    fillers = []
    for _ in range(3):  # the backlog is full: further handshakes get no answer
        filler = socket.socket()
        filler.setblocking(False)
        filler.connect_ex(full.getsockname())
        fillers.append(filler)
    site.serve([f"127.0.0.1:{full.getsockname()[1]}"], connect_ms=100)
    try:
        own(site.client(site.get()), 504, "connect-timeout")
    finally:
        for s in [full, *fillers]:
            s.close()


@pytest.mark.parametrize("leave", ["reset", "close"])
def test_a_client_that_leaves_while_its_answer_is_made_frees_the_origin(site, leave):
    client = site.client(site.get())
    up = site.origin.accept()
    up.head()
    getattr(client, leave)()
    assert up.ended()
    site.counted(requests=1, client_left=1, errors=0)


def test_a_client_that_only_closed_its_half_gets_its_answer(site):
    client = site.client(site.get()).finish()
    up = site.origin.accept()
    up.head()
    assert up.quiet()
    up.send(OK)
    head = client.head()
    while status(head) == 100:  # it is asked whether it is still there
        head = client.head()
    assert status(head) == 200
    assert client.rest() == (b"ok", False)


def test_a_client_that_leaves_in_the_middle_of_its_body_leaves_no_whole_request(site):
    client = site.client(b"POST / HTTP/1.1\r\nHost: HOST\r\nTransfer-Encoding: chunked\r\n\r\n"
                         b"5\r\nhello\r\n")
    up = site.origin.accept()
    up.head()
    assert up.exact(10) == b"5\r\nhello\r\n"
    client.finish()
    data, _ = up.rest()
    assert data == b""


def test_a_client_that_leaves_in_the_middle_of_its_answer_stops_the_origin(site):
    client = site.client(site.get())
    up = site.origin.accept()
    up.head()
    up.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n" + b"x" * 100000)
    client.head(), client.exact(1000)
    client.reset()
    with pytest.raises(OSError):
        while True:
            up.send(b"x" * 100000)
