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
