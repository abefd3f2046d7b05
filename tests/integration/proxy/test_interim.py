# SPDX-License-Identifier: Apache-2.0
"""Interim responses, Expect, and protocol upgrades."""
import pytest

from wire import QUIET_S, field, status

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
PUT = b"PUT / HTTP/1.1\r\nHost: HOST\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n"
UPGRADE = (b"GET /chat HTTP/1.1\r\nHost: HOST\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
           b"Sec-WebSocket-Key: k\r\n\r\n")
SWITCH = (b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n"
          b"Sec-WebSocket-Accept: a\r\n\r\n")


def test_a_body_waits_for_the_origins_go_ahead(site):
    client = site.client(PUT)
    up = site.origin.accept()
    assert field(up.head(), "expect") == "100-continue"
    assert client.quiet()
    up.send(b"HTTP/1.1 100 Continue\r\n\r\n")
    assert client.head() == b"HTTP/1.1 100 Continue\r\n\r\n"
    client.send(b"body")
    assert up.exact(4) == b"body"
    up.send(OK)
    assert status(client.head()) == 200
    client.exact(2)
    client.send(site.get())
    assert up.head().startswith(b"GET ")
    up.send(OK)
    assert status(client.head()) == 200


def test_a_refusal_before_the_body_reaches_the_client_and_closes(site):
    client = site.client(PUT)
    up = site.origin.accept()
    up.head()
    up.send(b"HTTP/1.1 417 No\r\nContent-Length: 2\r\n\r\nno")
    head = client.head()
    assert status(head) == 417 and field(head, "connection") == "close"
    assert client.rest() == (b"no", False)
    assert up.ended()  # half a request was sent on it: it is of no use any more


def test_early_hints_pass_one_after_the_other(site):
    client = site.client(site.get())
    up = site.origin.accept()
    up.head()
    for number in range(3):
        up.send(b"HTTP/1.1 103 Early Hints\r\nLink: </%d>\r\nConnection: x\r\n\r\n" % number)
        assert client.head() == b"HTTP/1.1 103 Early Hints\r\nLink: </%d>\r\n\r\n" % number
    up.send(b"HTTP/1.1 102 Processing\r\n\r\n" * 3 + OK)
    for _ in range(3):
        assert client.head() == b"HTTP/1.1 102 Processing\r\n\r\n"
    assert status(client.head()) == 200
    assert client.exact(2) == b"ok"


def test_an_old_client_gets_no_interim_response(site):
    client = site.client(b"GET / HTTP/1.0\r\nHost: HOST\r\n\r\n")
    up = site.origin.accept()
    up.head()
    up.send(b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" + OK)
    assert status(client.head()) == 200


def test_endless_interim_responses_do_not_fill_memory(site):
    client = site.client(site.get())
    up = site.origin.accept()
    up.head()
    up.sock.settimeout(QUIET_S)
    sent = 0
    with pytest.raises(OSError):  # nobody takes them: the origin is slowed down, or cut off
        while sent < 50_000_000:
            sent += up.sock.send(b"HTTP/1.1 102 Processing\r\nX: " + b"a" * 8000 + b"\r\n\r\n")
    assert sent < 20_000_000
    client.reset()


def test_an_upgrade_becomes_a_tunnel_in_both_directions(site):
    client = site.client(UPGRADE)
    up = site.origin.accept()
    head = up.head()
    assert field(head, "upgrade") == "websocket" and field(head, "connection") == "upgrade"
    up.send(SWITCH + b"\x00server first\r\n\r\n")
    head = client.head()
    assert status(head) == 101
    assert field(head, "upgrade") == "websocket" and field(head, "connection") == "upgrade"
    assert client.exact(17) == b"\x00server first\r\n\r\n"
    for i in range(20):
        client.send(b"GET / HTTP/1.1\r\n\r\n%d" % i)  # bytes, no request any more
        assert up.exact(19 if i > 9 else 18 + 1)[:18] == b"GET / HTTP/1.1\r\n\r\n"
        if i > 9:
            up.exact(1)
        up.send(b"\xff" * 1000)
        assert client.exact(1000) == b"\xff" * 1000
    client.finish()
    assert up.ended()
    up.send(b"last").finish()
    assert client.rest() == (b"last", False)


def test_bytes_sent_behind_the_upgrade_request_reach_the_tunnel(site):
    client = site.client(UPGRADE + b"early bytes")
    up = site.origin.accept()
    up.head()
    assert up.quiet()  # not before the origin agreed
    up.send(SWITCH)
    assert status(client.head()) == 101
    assert up.exact(11) == b"early bytes"


def test_a_refused_upgrade_is_an_answer_like_any_other(site):
    client = site.client(UPGRADE)
    up = site.origin.accept()
    up.head()
    up.send(OK)
    assert status(client.head()) == 200
    client.exact(2)
    client.send(site.get(b"/next"))
    assert up.head().startswith(b"GET /next ")


def test_the_end_of_the_origin_ends_the_tunnel(site):
    client = site.client(UPGRADE)
    up = site.origin.accept()
    up.head()
    up.send(SWITCH)
    client.head()
    up.reset()
    data, _ = client.rest()
    assert data == b""


@pytest.mark.parametrize("ask", [b"GET / HTTP/1.1\r\nHost: HOST\r\n\r\n",
                                 b"GET / HTTP/1.1\r\nHost: HOST\r\nUpgrade: websocket\r\n\r\n",
                                 b"GET / HTTP/1.1\r\nHost: HOST\r\nConnection: upgrade, "
                                 b"http2-settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAAA\r\n\r\n"])
def test_an_origin_that_switches_unasked_is_not_believed(site, ask):
    client = site.client(ask)
    up = site.origin.accept()
    assert field(up.head(), "upgrade") is None
    up.send(SWITCH)
    assert status(client.head()) == 502
    assert up.ended()
