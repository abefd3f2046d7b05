# SPDX-License-Identifier: Apache-2.0
"""Pages of the user's own in place of the proxy's answers."""
import json

from wire import field, status

JSON = b"Accept: application/json\r\n"


def answer(site, extra=b"", method=b"GET"):
    client = site.client(site.get(extra=extra).replace(b"GET", method, 1))
    head = client.head()
    size = int(field(head, "content-length"))
    return head, client.exact(size) if method != b"HEAD" else size


def test_the_narrowest_page_of_the_wanted_kind_is_given(site, options):
    options(pages=[{"for": "5xx", "html": "<p>{status} {reason}", "json": '{"why":"{reason}"}'},
                   {"for": "maintenance", "html": "<p>Back soon, {request_id}", "json": None}])
    site.change(traffic="stop")
    head, body = answer(site)
    assert status(head) == 503 and body == b"<p>503 stopped"
    assert field(head, "x-bascule-reason") == "stopped"
    assert field(head, "content-type") == "text/html; charset=utf-8"
    head, body = answer(site, JSON)
    assert json.loads(body) == {"why": "stopped"}
    assert field(head, "content-type") == "application/problem+json"
    site.change(traffic="maintenance")
    head, body = answer(site)
    assert body.startswith(b"<p>Back soon, ") and len(body) == 14 + 16
    assert field(head, "retry-after") == "30"
    assert answer(site, method=b"HEAD")[1] == 14 + 16
    assert json.loads(answer(site, JSON)[1]) == {"why": "maintenance"}
    site.change(traffic="serve")


def test_a_large_page_arrives_whole_and_the_connection_goes_on(site, options):
    options(pages=[{"for": "503", "html": "<p>" + "x" * 49000, "json": None}])
    site.change(traffic="maintenance")
    client = site.client()
    for _ in range(3):
        client.send(site.get())
        head = client.head()
        assert client.exact(int(field(head, "content-length"))) == b"<p>" + b"x" * 49000
    site.change(traffic="serve")


def test_a_page_that_would_not_fit_gives_way_to_ours(site, options):
    options(pages=[{"for": "503", "html": "{reason}" * 6000, "json": None}])
    site.change(traffic="maintenance")
    head, body = answer(site)
    assert status(head) == 503 and b"bascule: maintenance" in body
    site.change(traffic="serve")


def test_the_services_own_page_comes_first_and_the_proxys_for_the_rest(site, options):
    options(pages=[{"for": "maintenance", "html": "<p>ours: {reason}", "json": '{"ours":"{reason}"}'},
                   {"for": "5xx", "html": "<p>ours: {status}", "json": None}])
    site.change(traffic="maintenance", pages=[{"for": "503", "html": "<p>the shop: {reason}", "json": None}])
    assert answer(site)[1] == b"<p>the shop: maintenance"
    assert json.loads(answer(site, JSON)[1]) == {"ours": "maintenance"}
    site.change(traffic="stop")
    assert answer(site)[1] == b"<p>the shop: stopped"
    site.change(pages=[{"for": "maintenance", "html": "<p>the shop", "json": None}])
    assert answer(site)[1] == b"<p>ours: 503"
    other = site.client(b"GET / HTTP/1.1\r\nHost: nobody.test\r\n\r\n")
    assert b"the shop" not in other.exact(int(field(other.head(), "content-length")))  # no service is asked for
    site.change(traffic="serve", pages=[])
