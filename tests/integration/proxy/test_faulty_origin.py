# SPDX-License-Identifier: Apache-2.0
"""Origins that break off, talk nonsense or too much (rows 30 and 31 of the faults)."""
import socket

import pytest

from wire import Origin, field, status

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
POST = b"POST / HTTP/1.1\r\nHost: HOST\r\nContent-Length: 4\r\n\r\nbody"


def own(client, code, reason):
    head = client.head()
    assert (status(head), field(head, "x-bascule-reason")) == (code, reason), head
    client.exact(int(field(head, "content-length")))
    return head


CUT = {
    "of known length": b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n12345",
    "in chunks": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n12345\r\n",
    "inside a chunk": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\n12345",
    "before the trailers' end": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
                                b"5\r\n12345\r\n0\r\n",
}


@pytest.mark.parametrize("how", ["ends", "resets"])
@pytest.mark.parametrize("name", CUT)
def test_a_body_that_breaks_off_never_looks_complete(site, name, how):
    client = site.client(site.get())
    up = site.origin.accept()
    up.head()
    up.send(CUT[name])
    assert status(client.head()) == 200
    client.until(b"12345")
    if how == "ends":
        up.finish()
    else:
        up.reset()
    rest, was_reset = client.rest()
    assert b"0\r\n\r\n" not in rest
    assert was_reset
    site.counted(requests=1, reset=1, errors=1)


def test_a_reset_answer_until_close_does_not_get_its_last_chunk(site):
    client = site.client(site.get())
    up = site.origin.accept()
    up.head()
    up.send(b"HTTP/1.1 200 OK\r\n\r\n12345")
    client.head()
    client.until(b"12345\r\n")
    up.reset()
    assert client.rest() == (b"", True)


def test_a_malformed_chunk_ends_the_answer_visibly(site):
    client = site.client(site.get())
    up = site.origin.accept()
    up.head()
    up.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n12345\r\n")
    client.head()
    client.until(b"12345\r\n")
    up.send(b"-1\r\n0\r\n\r\n")
    rest, was_reset = client.rest()
    assert rest == b"" and was_reset


GARBAGE = {
    "text": b"<html>hello</html>\r\n\r\n",
    "another protocol": b"SSH-2.0-OpenSSH_9.2\r\n",
    "TLS": b"\x15\x03\x01\x00\x02\x02\x46",
    "HTTP/2": b"HTTP/2 200\r\n\r\n",
    "an old status line": b"200 OK\r\n\r\n",
    "a bare LF": b"HTTP/1.1 200 OK\nContent-Length: 0\n\n",
    "two lengths": b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok",
    "length and chunked": b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n"
                          b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "a folded field": b"HTTP/1.1 200 OK\r\nX: y\r\n z\r\n\r\n",
    "a status of four digits": b"HTTP/1.1 2000 OK\r\n\r\n",
    "an empty line first": b"\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
    "NUL": b"HTTP/1.1 200 OK\r\nX: \0\r\n\r\n",
    "a head too large": b"HTTP/1.1 200 OK\r\n" + (b"X: " + b"a" * 8000 + b"\r\n") * 5 + b"\r\n",
    "too many fields": b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 101 + b"\r\n",
}


@pytest.mark.parametrize("method", [b"GET", b"POST"])
@pytest.mark.parametrize("name", GARBAGE)
def test_garbage_is_502_and_its_connection_is_dropped(site, name, method):
    client = site.client(method + b" / HTTP/1.1\r\nHost: HOST\r\nContent-Length: 0\r\n\r\n")
    up = site.origin.accept()
    up.head()
    up.send(GARBAGE[name])
    head = client.head()
    assert status(head) == 502
    assert field(head, "x-bascule-reason") == "bad-answer", head
    rest, _ = up.rest()
    assert rest == b""
    assert site.origin.untouched()  # it answered, so it is not asked again


@pytest.mark.parametrize("extra", [b"x", OK, b"\r\n"])
def test_what_follows_an_answer_is_never_the_next_answer(site, extra):
    client = site.client(site.get())
    up = site.origin.accept()
    up.head()
    up.send(OK + extra)
    assert status(client.head()) == 200
    assert client.exact(2) == b"ok"
    assert client.quiet()
    client.send(site.get(b"/second"))
    fresh = site.origin.accept()
    assert fresh.head().startswith(b"GET /second ")
    fresh.send(b"HTTP/1.1 201 Second\r\nContent-Length: 0\r\n\r\n")
    assert status(client.head()) == 201
    assert up.ended()


def test_an_answer_that_comes_while_the_connection_is_idle_is_thrown_away(site):
    client = site.client(site.get())
    up = site.origin.accept()
    up.head()
    up.send(OK)
    client.head(), client.exact(2)
    up.send(b"HTTP/1.1 200 Poison\r\nContent-Length: 0\r\n\r\n")
    assert up.ended()
    client.send(site.get())
    fresh = site.origin.accept()
    fresh.head()
    fresh.send(OK)
    assert b"Poison" not in client.head()


def test_a_body_after_head_or_304_is_not_the_next_answer(site):
    client = site.client(b"HEAD / HTTP/1.1\r\nHost: HOST\r\n\r\n")
    up = site.origin.accept()
    up.head()
    up.send(OK)  # with its body, against the RFC
    assert status(client.head()) == 200
    client.send(site.get())
    fresh = site.origin.accept()
    fresh.head()
    fresh.send(OK)
    assert status(client.head()) == 200
    assert client.exact(2) == b"ok"


def test_a_dead_kept_connection_is_replaced_without_the_client_noticing(site):
    client = site.client(site.get())
    up = site.origin.accept()
    up.head()
    up.send(OK)
    client.head(), client.exact(2)
    up.close()  # as a server does when its keep-alive time is over
    client.send(site.get(b"/again"))
    fresh = site.origin.accept()
    assert fresh.head().startswith(b"GET /again ")
    fresh.send(OK)
    assert status(client.head()) == 200


@pytest.mark.parametrize("ending", ["close", "reset"])
def test_a_kept_connection_that_dies_on_the_next_request_is_replaced(site, ending):
    client = site.client(site.get())
    up = site.origin.accept()
    up.head()
    up.send(OK)
    client.head(), client.exact(2)
    client.send(site.get(b"/again"))
    up.head()  # it is there, and the server closes just now
    getattr(up, ending)()
    fresh = site.origin.accept()
    assert fresh.head().startswith(b"GET /again ")
    fresh.send(OK)
    assert status(client.head()) == 200
    site.counted(requests=2, retries=1, errors=0)


def test_a_request_that_cannot_be_replayed_is_not_sent_twice(site):
    client = site.client(POST)
    up = site.origin.accept()
    up.head(), up.exact(4)
    up.reset()
    assert status(own(client, 502, "upstream-reset")) == 502
    assert site.origin.untouched()


def test_a_fresh_connection_that_breaks_before_the_answer_is_tried_again_for_get(site):
    client = site.client(site.get())
    for _ in range(3):
        up = site.origin.accept()
        up.head()
        up.reset()
    own(client, 502, "upstream-reset")
    assert site.origin.untouched()


def test_part_of_a_head_is_502_and_not_tried_again(site):
    client = site.client(site.get())
    up = site.origin.accept()
    up.head()
    up.send(b"HTTP/1.1 200 OK\r\nContent-")
    up.finish()
    own(client, 502, "upstream-reset")
    assert site.origin.untouched()


def test_an_answer_before_the_request_is_complete_is_passed_on(site):
    client = site.client(b"POST / HTTP/1.1\r\nHost: HOST\r\nContent-Length: 1000000\r\n\r\nbegin")
    up = site.origin.accept()
    up.head()
    up.exact(5)
    up.send(b"HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno")
    head = client.head()
    assert status(head) == 413 and field(head, "connection") == "close"
    assert client.exact(2) == b"no"


def test_nobody_listening_is_502(site):
    with Origin() as gone:
        address = gone.address
    site.serve([address])
    client = site.client(site.get())
    own(client, 502, "connect-failed")
    client.send(POST.replace(b"HOST", site.host.encode()))
    own(client, 502, "connect-failed")
    site.counted(requests=2, connect_failed=2, errors=2)


def test_another_instance_answers_when_one_does_not_listen(site):
    with Origin() as gone:
        address = gone.address
    site.serve([address, site.origin.address])
    for _ in range(4):
        client = site.client(POST)
        up = site.origin.accept()
        up.head(), up.exact(4)
        up.send(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        assert status(client.head()) == 200
    site.counted(requests=4, errors=0)


@pytest.mark.parametrize("family", [socket.AF_UNIX, socket.AF_INET6])
def test_instances_have_unix_sockets_and_ipv6_addresses(site, family):
    with Origin(family) as origin:
        site.serve([origin.address])
        client = site.client(site.get() * 2)
        up = origin.accept()
        for _ in range(2):
            assert up.head().startswith(b"GET / ")
            up.send(OK)
            assert status(client.head()) == 200
            client.exact(2)


def test_a_unix_socket_without_a_listener_is_502(site):
    with Origin(socket.AF_UNIX) as gone:
        address = gone.address
    site.serve([address])
    own(site.client(site.get()), 502, "connect-failed")
