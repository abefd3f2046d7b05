# SPDX-License-Identifier: Apache-2.0
"""Limits, trusted proxies and pages for errors as their user has them: from bascule.yaml to the answer."""
import urllib.error
import urllib.request

from daemon import Daemon, wait_until


def get(daemon, **fields):
    request = urllib.request.Request(f"http://127.0.0.1:{daemon.port}/", headers=fields)
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            return answer.status, dict(answer.headers), answer.read()
    except urllib.error.HTTPError as error:
        return error.code, dict(error.headers), error.read()


def test_a_client_behind_a_trusted_proxy_is_limited_and_gets_the_users_page():
    with Daemon() as daemon:
        (daemon.folder / "slowly.html").write_text("<p>Slowly, please ({status})")
        proxy = {"workers": 2, "trusted": ["127.0.0.0/8"], "error_pages": {429: "slowly.html"}}
        daemon.services["web"]["rate_limit"] = {"requests": "1/h", "burst": 2}
        daemon.configure(proxy=proxy)
        daemon.start()
        daemon.do("deploy", "web", "v1")
        a, b = {"X-Forwarded-For": "192.0.2.1"}, {"X-Forwarded-For": "192.0.2.2"}
        assert [get(daemon, **a)[0] for _ in range(2)] == [200, 200]
        status, fields, body = get(daemon, **a)
        assert status == 429 and body == b"<p>Slowly, please (429)"
        assert fields["X-Bascule-Reason"] == "rate-limited" and int(fields["Retry-After"]) == 255
        assert get(daemon, **b)[0] == 200
        daemon.do("status")  # the API does not care
        daemon.configure(proxy=proxy | {"limits": {"line": 256}})
        assert "proxy.limits.line: 8KiB -> 256" in daemon.do("apply")
        wait_until(lambda: get(daemon, Long="x" * 300)[0] == 431, "the new limit holds")
