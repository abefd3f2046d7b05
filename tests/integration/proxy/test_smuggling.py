# SPDX-License-Identifier: Apache-2.0
"""Request smuggling (row 33 of the faults): 400 and the end, and never a second request upstream."""
import pytest

from wire import field, status

SECOND = b"GET /smuggled HTTP/1.1\r\nHost: HOST\r\n\r\n"


def post(*lines, body=b"0\r\n\r\n"):
    return b"POST /first HTTP/1.1\r\nHost: HOST\r\n" + b"".join(lines) + b"\r\n" + body


CL, TE = b"Content-Length: 5\r\n", b"Transfer-Encoding: chunked\r\n"
HEADS = {
    "length and chunked": post(CL, TE),
    "chunked and length": post(TE, CL),
    "two lengths": post(CL, b"Content-Length: 0\r\n"),
    "two equal lengths": post(CL, CL),
    "a list of lengths": post(b"Content-Length: 5, 5\r\n"),
    "a signed length": post(b"Content-Length: +5\r\n"),
    "a hexadecimal length": post(b"Content-Length: 0x5\r\n"),
    "a length beyond 64 bits": post(b"Content-Length: 18446744073709551621\r\n"),
    "an empty length": post(b"Content-Length:\r\n"),
    "an underscored length": post(b"Content_Length: 5\r\n", TE),
    "two codings": post(b"Transfer-Encoding: chunked, chunked\r\n"),
    "identity": post(CL, b"Transfer-Encoding: identity\r\n"),
    "a coding before chunked": post(b"Transfer-Encoding: x, chunked\r\n"),
    "a coding after chunked": post(b"Transfer-Encoding: chunked, x\r\n"),
    "two coding fields": post(TE, b"Transfer-Encoding: x\r\n"),
    "a quoted coding": post(b'Transfer-Encoding: "chunked"\r\n'),
    "a coding with a vertical tab": post(b"Transfer-Encoding: \x0bchunked\r\n"),
    "space before the colon": post(b"Transfer-Encoding : chunked\r\n"),
    "tab before the colon": post(b"Transfer-Encoding\t: chunked\r\n"),
    "space before the name": post(b" Transfer-Encoding: chunked\r\n"),
    "a folded coding": post(b"Transfer-Encoding:\r\n chunked\r\n"),
    "a coding in a fold": post(b"X: y\r\n Transfer-Encoding: chunked\r\n"),
    "a coding behind a bare LF": post(b"X: y\nTransfer-Encoding: chunked\r\n"),
    "a coding behind a bare CR": post(b"X: y\rTransfer-Encoding: chunked\r\n"),
    "an underscored coding": post(b"Transfer_Encoding: chunked\r\n", CL),
    "NUL in a name": post(b"Transfer-Encoding\0: chunked\r\n"),
    "NUL in a value": post(b"Transfer-Encoding: chunked\0\r\n"),
    "an empty name": post(b": chunked\r\n"),
    "a line without a colon": post(b"chunked\r\n"),
    "a head that ends in LF LF": b"GET / HTTP/1.1\nHost: HOST\n\n",
    "a head that ends in LF CR LF": b"GET / HTTP/1.1\r\nHost: HOST\n\r\n",
    "chunked in HTTP/1.0": b"POST / HTTP/1.0\r\nHost: HOST\r\n" + TE + b"\r\n0\r\n\r\n",
    "two hosts": b"GET / HTTP/1.1\r\nHost: HOST\r\nHost: HOST\r\n\r\n",
    "no host": b"GET / HTTP/1.1\r\n\r\n",
    "a host with a path": b"GET / HTTP/1.1\r\nHost: HOST/x\r\n\r\n",
    "another host in the target": b"GET http://x/ HTTP/1.1\r\nHost: HOST\r\n\r\n",
    "a space in the target": b"GET / /smuggled HTTP/1.1\r\nHost: HOST\r\n\r\n",
    "two spaces": b"GET  / HTTP/1.1\r\nHost: HOST\r\n\r\n",
    "a tab for a space": b"GET\t/ HTTP/1.1\r\nHost: HOST\r\n\r\n",
    "two empty lines": b"\r\n\r\nGET / HTTP/1.1\r\nHost: HOST\r\n\r\n",
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
}


@pytest.mark.parametrize("name", HEADS)
def test_a_doubtful_head_is_refused_and_nothing_reaches_the_origin(site, name):
    client = site.client(HEADS[name] + SECOND)
    head = client.head()
    assert status(head) == 400
    assert field(head, "x-bascule-reason") == "bad-request"
    body, _ = client.rest()
    assert len(body) == int(field(head, "content-length"))
    assert site.origin.untouched()


@pytest.mark.parametrize("path", [b"/x/../../y", b"/x/%2e%2E/y", b"/..;/y", b"/x/..%2fy", b"/.."])
def test_a_path_that_climbs_out_of_its_prefix_is_refused(site, path):
    client = site.client(site.get(path))
    head = client.head()
    assert status(head) == 400 and field(head, "x-bascule-reason") == "bad-request"
    assert site.origin.untouched()


def chunked(body):
    return b"POST /first HTTP/1.1\r\nHost: HOST\r\nTransfer-Encoding: chunked\r\n\r\n" + body


BODIES = {
    "a bare LF after the size": b"5\nhello\r\n0\r\n\r\n",
    "a bare LF after data": b"5\r\nhello\n0\r\n\r\n",
    "a bare CR after the size": b"5\rhello\r\n0\r\n\r\n",
    "a signed size": b"+5\r\nhello\r\n0\r\n\r\n",
    "a negative size": b"-1\r\nhello\r\n0\r\n\r\n",
    "a prefixed size": b"0x5\r\nhello\r\n0\r\n\r\n",
    "a size beyond 64 bits": b"10000000000000005\r\nhello\r\n0\r\n\r\n",
    "a size with a space": b"5 \r\nhello\r\n0\r\n\r\n",
    "a space before the size": b" 5\r\nhello\r\n0\r\n\r\n",
    "an empty size": b"\r\nhello\r\n0\r\n\r\n",
    "a size that is too small": b"4\r\nhello\r\n0\r\n\r\n",
    "an extension that ends in LF": b"5;x\nhello\r\n0\r\n\r\n",
    "an extension with a bare CR": b"5;x\rhello\r\n0\r\n\r\n",
    "LF inside a quoted extension": b'5;x="\n"\r\nhello\r\n0\r\n\r\n',
    "an endless extension": b"5;" + b"x" * 10000 + b"\r\nhello\r\n0\r\n\r\n",
    "a length as trailer": b"0\r\nContent-Length: 40\r\n\r\n",
    "a coding as trailer": b"0\r\nTransfer-Encoding: chunked\r\n\r\n",
    "a folded trailer": b"0\r\nX: y\r\n z\r\n\r\n",
    "a trailer that ends in LF": b"0\r\nX: y\n\r\n",
    "a last line that ends in LF": b"0\r\n\n",
    "NUL in a size": b"5\0\r\nhello\r\n0\r\n\r\n",
}


@pytest.mark.parametrize("split", [False, True], ids=["at once", "later"])
@pytest.mark.parametrize("name", BODIES)
def test_a_doubtful_chunk_ends_the_request_and_nothing_follows_it(site, name, split):
    if split:
        client = site.client(chunked(b""))
        up = site.origin.accept()
        up.head()
        client.send(BODIES[name] + site.text(SECOND))
    else:
        client = site.client(chunked(BODIES[name]) + site.text(SECOND))
    answer, _ = client.rest()
    assert answer == b"" or status(answer) == 400
    if not split:
        if site.origin.untouched():
            return
        up = site.origin.accept()
    seen, _ = up.rest()
    assert b"smuggled" not in seen
    assert not seen.endswith(b"0\r\n\r\n")


def test_a_body_that_looks_like_a_request_stays_a_body(site):
    body = site.text(SECOND)
    client = site.client(b"POST / HTTP/1.1\r\nHost: HOST\r\nContent-Length: %d\r\n\r\n" % len(body)
                         + body)
    up = site.origin.accept()
    assert field(up.head(), "content-length") == str(len(body))
    assert up.exact(len(body)) == body
    assert up.quiet() and site.origin.untouched()
    up.send(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
    assert status(client.head()) == 200


def test_a_body_of_get_and_head_is_no_second_request(site):
    for method in (b"GET", b"HEAD", b"DELETE", b"OPTIONS"):
        body = site.text(SECOND)
        client = site.client(method + b" / HTTP/1.1\r\nHost: HOST\r\nContent-Length: %d\r\n\r\n"
                             % len(body) + body)
        up = site.origin.accept()
        up.head()
        assert up.exact(len(body)) == body
        up.send(b"HTTP/1.1 204 X\r\nConnection: close\r\n\r\n")
        assert status(client.head()) == 204


@pytest.mark.parametrize("request_bytes, code", [
    (b"GET / HTTP/2.0\r\nHost: HOST\r\n\r\n", 505),
    (b"PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n", 505),
    (b"CONNECT HOST:443 HTTP/1.1\r\nHost: HOST\r\n\r\n", 501),
    (b"TRACE / HTTP/1.1\r\nHost: HOST\r\n\r\n", 501),
    (b"GET /" + b"a" * 9000 + b" HTTP/1.1\r\nHost: HOST\r\n\r\n", 414),
    (b"GET /" + b"a" * 9000, 414),
    (b"GET / HTTP/1.1\r\nHost: HOST\r\nX: " + b"a" * 9000 + b"\r\n\r\n", 431),
    (b"GET / HTTP/1.1\r\nHost: HOST\r\n" + b"X: y\r\n" * 100 + b"\r\n", 431),
    (b"GET / HTTP/1.1\r\nHost: HOST\r\n" + (b"X: " + b"a" * 8000 + b"\r\n") * 5 + b"\r\n", 431),
    (b"PUT / HTTP/1.1\r\nHost: HOST\r\nExpect: magic\r\nContent-Length: 1\r\n\r\n", 417),
])
def test_other_refusals_have_their_status(site, request_bytes, code):
    client = site.client(request_bytes)
    head = client.head()
    assert status(head) == code
    assert field(head, "connection") == "close"
    client.rest()
    assert site.origin.untouched()


def test_the_largest_head_passes(site):
    lines = b"".join(b"X%d: " % i + b"a" * 8000 + b"\r\n" for i in range(3))
    client = site.client(site.get(extra=lines))
    up = site.origin.accept()
    assert lines in up.head()
    up.send(b"HTTP/1.1 200 OK\r\n" + lines + b"Content-Length: 0\r\n\r\n")
    assert lines in client.head()
