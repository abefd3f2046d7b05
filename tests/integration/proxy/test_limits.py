# SPDX-License-Identifier: Apache-2.0
"""Limits of requests and connections, by raw bytes (rows 28, 29, 32 and 36 of the faults)."""
import re
import socket
import time

import pytest

from dataplane import PATIENCE_S, Proxy, eventually
from wire import Origin, Peer, field, status

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


def refused(client, code, reason):
    head = client.head()
    assert (status(head), field(head, "x-bascule-reason")) == (code, reason)
    client.exact(int(field(head, "content-length")))
    return head


def answered(site, client):
    """The request that `client` sent gets its answer."""
    up = site.origin.accept()
    up.head()
    up.send(OK)
    assert status(client.head()) == 200
    client.exact(2)


# -- heads


@pytest.mark.parametrize("extra", [b"X: " + b"a" * 1000 + b"\r\n", b"A: 1\r\n" * 9,
                                   b"X: " + b"a" * 300 + b"\r\n"])
def test_a_head_within_narrower_limits_than_ours_is_all_that_passes(site, options, extra):
    options(head_bytes=1024, line_bytes=256, fields_max=9)
    client = site.client(site.get(extra=extra))
    head = refused(client, 431, "bad-request")
    assert field(head, "connection") == "close"
    assert site.origin.untouched()


def test_a_head_that_never_ends_is_refused_at_the_limit(site, options):
    options(head_bytes=1024)
    client = site.client(b"GET / HTTP/1.1\r\n" + b"A: b\r\n" * 60)
    assert client.quiet()
    client.send(b"A: b\r\n" * 120)
    refused(client, 431, "bad-request")


def test_a_long_request_line_is_414_and_what_fits_passes(site, options):
    options(line_bytes=256)
    refused(site.client(site.get(b"/" + b"x" * 300)), 414, "bad-request")
    answered(site, site.client(site.get(b"/" + b"x" * 200)))


# -- bodies


def post(site, length=None, extra=b""):
    framing = b"Transfer-Encoding: chunked\r\n" if length is None else \
        b"Content-Length: %d\r\n" % length
    return site.text(b"POST / HTTP/1.1\r\nHost: HOST\r\n") + framing + extra + b"\r\n"


def test_a_body_that_is_too_large_by_its_length_goes_nowhere(site, options):
    options(body_bytes=10)
    client = site.client(post(site, 11))
    head = refused(client, 413, "body-too-large")
    assert field(head, "connection") == "close"
    client = site.client(post(site, 11, b"Expect: 100-continue\r\n"))
    refused(client, 413, "body-too-large")
    assert site.origin.untouched()
    answered(site, site.client(post(site, 10) + b"0123456789"))


def test_a_chunked_body_is_cut_where_it_grows_too_large(site, options):
    options(body_bytes=10)
    client = site.client(post(site) + b"5\r\n01234\r\n")
    up = site.origin.accept()
    up.until(b"01234\r\n")
    client.send(b"6\r\n567890\r\n0\r\n\r\n")
    refused(client, 413, "body-too-large")
    assert b"\r\n0\r\n" not in up.rest()[0]  # never a whole one
    answered(site, site.client(post(site) + b"a\r\n0123456789\r\n0\r\n\r\n"))


def test_a_service_can_have_a_limit_of_its_own(site, options):
    options(body_bytes=10)
    site.change(edge={"body_bytes": 20})
    answered(site, site.client(post(site, 20) + b"x" * 20))
    refused(site.client(post(site, 21)), 413, "body-too-large")


def test_a_body_has_its_time_however_busily_it_trickles(site, options):
    options(request_ms=400)
    client = site.client(post(site, 100000))
    up = site.origin.accept()
    up.head()
    started = time.monotonic()
    while not client.buffer and time.monotonic() - started < PATIENCE_S:
        client.send(b"x")
        client.sock.settimeout(0.05)
        try:
            client._more()
        except TimeoutError:
            pass
    client.sock.settimeout(PATIENCE_S)
    refused(client, 408, "request-timeout")
    assert time.monotonic() - started < 10


# -- how often


def test_a_client_that_asks_too_often_gets_429_and_when_to_come_again(site):
    site.change(edge={"rate_requests": 2, "rate_period_s": 60, "rate_burst": 3})
    client = site.client()
    for _ in range(3):
        client.send(site.get())
        if not site.origin.peers:
            site.origin.accept()
        site.origin.peers[0].head()
        site.origin.peers[0].send(OK)
        assert status(client.head()) == 200
        client.exact(2)
    client.send(site.get(extra=b"Accept: application/json\r\n"))
    head = refused(client, 429, "rate-limited")
    assert 20 < int(field(head, "retry-after")) <= 30
    assert field(head, "connection") is None  # it may go on with this connection
    other = site.client(site.get())
    refused(other, 429, "rate-limited")
    site.counted(requests=3, errors=0)


def test_behind_a_trusted_proxy_each_client_has_a_rate_of_its_own(site, options):
    options(trusted=["127.0.0.1"], pooled_max=0)
    site.change(edge={"rate_requests": 1, "rate_period_s": 60, "rate_burst": 1})
    behind = [b"X-Forwarded-For: 192.0.2.1\r\n", b"X-Forwarded-For: 2001:db8::1\r\n"]
    for extra in behind:
        answered(site, site.client(site.get(extra=extra)))
    refused(site.client(site.get(extra=behind[0])), 429, "rate-limited")
    spoofed = b"X-Forwarded-For: 8.8.8.8, 192.0.2.1\r\n"
    refused(site.client(site.get(extra=spoofed)), 429, "rate-limited")
    same_subscriber = b"X-Forwarded-For: 2001:db8::ffff\r\n"
    refused(site.client(site.get(extra=same_subscriber)), 429, "rate-limited")


def within(requests, **rule):
    """A rule: so many requests a minute, all at once."""
    return {"rate_requests": requests, "rate_period_s": 60, "rate_burst": requests} | rule


def test_a_limit_below_a_path_leaves_the_others_alone(site, options):
    options(pooled_max=0)
    site.change(edge={"rate_paths": [within(2, path="/login")]})
    for path in (b"/login", b"/login/now?a=b"):
        answered(site, site.client(site.get(path)))
    client = site.client(site.get(b"/login?user=b"))
    head = refused(client, 429, "rate-limited")
    assert 20 < int(field(head, "retry-after")) <= 30
    client.send(site.get(b"/"))  # it may go on with this connection
    answered(site, client)
    for path in (b"/logins", b"/a/login", b"/?/login"):
        answered(site, site.client(site.get(path)))
    refused(site.client(site.get(b"/login")), 429, "rate-limited")
    site.counted(requests=6, errors=0)


def test_of_limits_below_paths_the_longest_path_holds(site, options):
    options(pooled_max=0)
    site.change(edge={"rate_paths": [within(1, path="/login"), within(3, path="/login/token/")]})
    for _ in range(3):
        answered(site, site.client(site.get(b"/login/token/new")))
    refused(site.client(site.get(b"/login/token")), 429, "rate-limited")
    answered(site, site.client(site.get(b"/login")))
    refused(site.client(site.get(b"/login/tokens")), 429, "rate-limited")


def test_a_limit_below_a_path_is_each_clients_own(site, options):
    options(trusted=["127.0.0.1"], pooled_max=0)
    site.change(edge={"rate_paths": [within(1, path="/login")]})
    one, other = b"X-Forwarded-For: 192.0.2.1\r\n", b"X-Forwarded-For: 192.0.2.2\r\n"
    answered(site, site.client(site.get(b"/login", one)))
    refused(site.client(site.get(b"/login", one)), 429, "rate-limited")
    answered(site, site.client(site.get(b"/login", other)))


def test_a_request_is_within_the_limit_of_its_path_and_that_of_the_service(site, options):
    options(pooled_max=0)
    site.change(edge=within(3, rate_paths=[within(1, path="/login")]))
    answered(site, site.client(site.get(b"/login")))
    for _ in range(3):  # these use nothing of the service's limit up
        refused(site.client(site.get(b"/login")), 429, "rate-limited")
    for _ in range(2):
        answered(site, site.client(site.get(b"/")))
    refused(site.client(site.get(b"/")), 429, "rate-limited")


def test_another_limit_below_a_path_begins_anew_and_none_is_none(site, options):
    options(pooled_max=0)
    site.change(edge={"rate_paths": [within(1, path="/login")]})
    answered(site, site.client(site.get(b"/login")))
    site.change(edge={"rate_paths": [within(1, path="/login"), within(1, path="/a")]})
    refused(site.client(site.get(b"/login")), 429, "rate-limited")
    site.change(edge={"rate_paths": [within(2, path="/login")]})
    for _ in range(2):
        answered(site, site.client(site.get(b"/login")))
    refused(site.client(site.get(b"/login")), 429, "rate-limited")
    site.change(edge={})
    answered(site, site.client(site.get(b"/login")))


def test_a_connection_ends_after_as_many_requests_as_the_option_says(site, options):
    options(requests_max=2)
    client = site.client(site.get())
    answered(site, client)
    client.send(site.get())
    up = site.origin.peers[0]
    up.head()
    up.send(OK)
    assert field(client.head(), "connection") == "close"
    client.exact(2)
    assert client.ended()


# -- connections: in a proxy of their own


@pytest.fixture
def own():
    with Origin() as origin, Proxy(workers=2, sockets=2) as proxy:
        proxy.route("web", {"blue": [origin.address]})
        yield proxy, origin


def connected(proxy):
    return Peer(socket.create_connection(("127.0.0.1", proxy.port), PATIENCE_S))


def test_an_address_has_no_more_connections_than_the_option_says_over_all_workers(own):
    proxy, _ = own
    proxy.tell(options={"address_connections_max": 3})
    clients = []
    for _ in range(12):
        try:
            clients.append(connected(proxy))
        except ConnectionResetError:
            pass  # at once
    eventually(lambda: proxy.shard_total("connections_refused") == 9)
    kept = [client for client in clients if client.quiet()]
    assert len(kept) == 3
    assert all(client.rest() == (b"", True) for client in clients if client not in kept)
    kept[0].close()
    eventually(lambda: proxy.shard_total("connections_closed") == 10)
    fresh = connected(proxy)
    assert fresh.quiet()  # its place is free again
    proxy.tell(options={"address_connections_max": 1, "trusted": ["127.0.0.0/8"]})
    more = [connected(proxy) for _ in range(3)]
    assert all(client.quiet() for client in more)  # a proxy before us has many clients


def test_more_connections_than_the_limit_wait_and_are_served_in_their_turn(own):
    proxy, origin = own
    proxy.tell(options={"connections_max": 2, "pooled_max": 0})  # one for each worker
    clients = [connected(proxy).send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n") for _ in range(8)]
    for _ in clients:
        up = origin.accept()
        up.head()
        opened = proxy.shard_total("connections_opened") - proxy.shard_total("connections_closed")
        assert opened <= 3  # one may just have gone
        up.send(OK)
    for client in clients:
        head = client.head()
        assert status(head) == 200 and field(head, "connection") == "close"


def rss(proxy):
    text = open(f"/proc/{proxy.process.pid}/status").read()
    return int(re.search(r"VmRSS:\s+(\d+)", text).group(1)) * 1024


def test_memory_is_bounded_however_many_heads_are_half_sent(own):
    proxy, origin = own
    proxy.tell(options={"buffer_bytes": 1 << 20})
    before = rss(proxy)
    clients = [connected(proxy).send(b"GET / HTTP/1.1\r\nX: ") for _ in range(400)]
    eventually(lambda: proxy.shard_total("overloaded") > 200)
    assert rss(proxy) - before < 8 << 20
    head = clients[-1].head()
    assert status(head) == 503 and field(head, "x-bascule-reason") == "overloaded"
    for client in clients:
        client.reset()
    client = connected(proxy)
    eventually(lambda: proxy.shard_total("connections_closed") >= 400)
    client.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    up = origin.accept()
    up.head()
    up.send(OK)
    assert status(client.head()) == 200


def test_short_of_descriptors_idle_connections_give_way_and_nothing_spins():
    with Origin() as origin, Proxy(limit=64) as proxy:
        proxy.route("web", {"blue": [origin.address]})
        proxy.tell(options={"pooled_max": 0})
        idle = [connected(proxy) for _ in range(17)]
        eventually(lambda: proxy.shard_total("connections_opened") == 17)
        time.sleep(1.2)  # what has just come is not idle yet
        for _ in range(30):
            client = connected(proxy).send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            up = origin.accept()
            up.head()
            up.send(OK)
            head = client.head()
            assert status(head) == 200 and field(head, "connection") == "close"
        assert proxy.shard_total("idle_closed") >= 1 and proxy.shard_total("scarce") >= 1
        loops = proxy.shard_total("loops")
        time.sleep(0.5)
        assert proxy.shard_total("loops") - loops < 50
        proxy.log.seek(0)
        assert proxy.log.read().count(b"short of descriptors") == 1
        for client in idle:
            client.close()
