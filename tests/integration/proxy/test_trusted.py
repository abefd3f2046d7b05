# SPDX-License-Identifier: Apache-2.0
"""What a request says about its way here is believed only of a trusted proxy (row 43 of the
faults)."""
import re

import pytest

from wire import field, fields

SPOOFED = (b"X-Forwarded-For: 6.6.6.6, 192.0.2.9\r\nX-Forwarded-Proto: https\r\n"
           b"X-Forwarded-Host: shop.example\r\nForwarded: for=192.0.2.9\r\nX-Real-Ip: 6.6.6.6\r\n"
           b"X-Forwarded-For: 10.0.0.7\r\nX-Forwarded-Port: 443\r\n")
TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00"


def forwarded(site, extra=SPOOFED):
    site.client(site.get(extra=extra))
    return site.origin.accept().head()


def test_a_trusted_proxy_is_believed_and_its_address_added(site, options):
    options(trusted=["127.0.0.0/8", "10.0.0.0/8"])
    head = forwarded(site)
    assert field(head, "x-forwarded-for") == "6.6.6.6, 192.0.2.9, 10.0.0.7, 127.0.0.1"
    assert field(head, "x-forwarded-proto") == "https"
    assert field(head, "x-forwarded-host") == "shop.example"
    assert field(head, "x-forwarded-port") == "443"
    assert field(head, "forwarded") == \
        f'for=192.0.2.9, for=127.0.0.1;proto=http;host="{site.host}"'


def test_a_trusted_proxy_that_says_nothing_is_completed(site, options):
    options(trusted=["127.0.0.1"])
    head = forwarded(site, b"X_Forwarded_Proto: https\r\n")
    assert field(head, "x-forwarded-for") == "127.0.0.1"
    assert field(head, "x-forwarded-proto") == "http"
    assert field(head, "x-forwarded-host") == site.host


@pytest.mark.parametrize("trusted", [[], ["10.0.0.0/8"], ["128.0.0.0/1"]])
def test_all_others_are_overwritten(site, options, trusted):
    options(trusted=trusted)
    head = forwarded(site)
    assert b"6.6.6.6" not in head and b"192.0.2.9" not in head and b"443" not in head
    assert field(head, "x-forwarded-for") == "127.0.0.1"
    assert field(head, "forwarded") == f'for=127.0.0.1;proto=http;host="{site.host}"'


def test_a_range_that_is_none_is_refused_and_trusts_nobody(site, proxy, options):
    proxy.seq += 1
    proxy.send_lines([{"seq": proxy.seq, "options": {"trusted": ["127.0.0.1/8"]}}])
    assert "127.0.0.1/8" in proxy.answers(proxy.seq)[0]["text"]
    assert field(forwarded(site), "x-forwarded-for") == "127.0.0.1"


def test_a_trace_is_continued_or_begun(site, options):
    assert field(forwarded(site, f"traceparent: {TRACE}\r\n".encode()), "traceparent") == TRACE
    begun = [field(forwarded(site, b"tracestate: a=b\r\ntraceparent: 00-1\r\n"), "traceparent")
             for _ in range(2)]
    for trace in begun:
        assert re.fullmatch("00-[0-9a-f]{32}-[0-9a-f]{16}-01", trace)
    assert begun[0] != begun[1]
    options(traceparent="unsampled")
    assert field(forwarded(site), "traceparent").endswith("-00")
    options(traceparent="pass")
    names = [name for name, _ in fields(forwarded(site, b"tracestate: a=b\r\n"))]
    assert "traceparent" not in names and "tracestate" in names
