# SPDX-License-Identifier: Apache-2.0
"""Limits, trusted proxies and pages for errors as their user has them: from bascule.yaml to the answer."""
import contextlib
import json
import os
import signal
import socket
import urllib.error
import urllib.request

from daemon import Daemon, free_port, wait_until


def get(daemon, path="/", **fields):
    request = urllib.request.Request(f"http://127.0.0.1:{daemon.port}{path}", headers=fields)
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
        figures = json.loads(daemon.do("status", "--json"))["proxy"]
        assert figures["rate_limited"] == 1 and figures["connections_opened"] >= 4
        assert not (figures["overloaded"] or figures["scarce"] or figures["access_dropped"])
        daemon.do("upgrade")
        after = json.loads(daemon.do("status", "--json"))["proxy"]
        assert after["rate_limited"] == 1, "what the proxy before counted is not forgotten"
        daemon.configure(proxy=proxy | {"limits": {"line": 256}})
        assert "proxy.limits.line: 8KiB -> 256" in daemon.do("apply")
        wait_until(lambda: get(daemon, Long="x" * 300)[0] == 431, "the new limit holds")


def test_what_is_below_a_path_is_limited_more_narrowly_at_once():
    with Daemon() as daemon:
        daemon.start()
        daemon.do("deploy", "web", "v1")
        assert [get(daemon, "/login")[0] for _ in range(3)] == [200] * 3
        daemon.services["web"]["rate_limit"] = {"paths": [{"path": "/login", "requests": "2/h"}]}
        daemon.configure()
        assert "rate_limit.paths" in daemon.do("apply")
        wait_until(lambda: get(daemon, "/login")[0] == 429, "the limit holds")
        assert get(daemon, "/login/now?a=b")[1]["X-Bascule-Reason"] == "rate-limited"
        assert get(daemon, "/logins")[0] == get(daemon)[0] == 200
        daemon.do("deploy", "web", "v2")
        assert get(daemon, "/login")[0] == 429, "a release changes nothing about it"


def test_a_service_has_pages_of_its_own_before_those_of_the_proxy():
    with Daemon() as daemon:
        page, ours = daemon.folder / "closed.html", daemon.folder / "ours.html"
        page.write_text("<p>The shop is closed ({reason})")
        ours.write_text("<p>Ours: {status}")
        daemon.services["web"]["error_pages"] = {"maintenance": "closed.html"}
        daemon.configure(proxy={"error_pages": {503: "ours.html"}})
        daemon.start()
        daemon.do("deploy", "web", "v1")
        daemon.do("traffic", "web", "maintenance")
        assert get(daemon)[2] == b"<p>The shop is closed (maintenance)"
        daemon.do("traffic", "web", "stop")
        assert get(daemon)[2] == b"<p>Ours: 503"
        daemon.do("traffic", "web", "maintenance")
        page.unlink()  # it was read when the configuration was applied
        before = daemon.pid("controller")
        os.kill(before, signal.SIGKILL)
        wait_until(lambda: daemon.run("status", "-q").returncode == 0 and daemon.pid("controller") != before,
                   "the controller is back")
        daemon.do("upgrade")
        assert get(daemon)[2] == b"<p>The shop is closed (maintenance)"
        page.write_text("<p>Back at ten")
        assert "error_pages" in daemon.do("apply")
        wait_until(lambda: get(daemon)[2] == b"<p>Back at ten", "the new page is given")
        page.unlink()
        refused = daemon.run("apply")
        assert refused.returncode == 2 and "services.web.error_pages.maintenance: file " in refused.stderr


def talk(port, sent):
    """All that is answered until the end of the connection, however it comes."""
    got = b""
    with contextlib.suppress(ConnectionError), socket.create_connection(("127.0.0.1", port), timeout=20) as peer:
        peer.sendall(sent)
        while chunk := peer.recv(65536):
            got += chunk
    return got


def test_a_load_balancer_says_whose_connection_it_is_at_one_of_two_addresses():
    ask = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
    line = b"PROXY TCP4 192.0.2.77 198.51.100.1 5000 80\r\n"
    with Daemon() as daemon:
        front, log = free_port(), daemon.folder / "access.log"
        addresses = [f"127.0.0.1:{daemon.port}", f"127.0.0.1:{front}"]
        listen = {"http": addresses, "proxy_protocol": addresses[1]}
        proxy = {"workers": 2, "access_log": {"path": str(log)}}

        def clients():
            return [json.loads(line)["client"] for line in log.read_text().splitlines()] if log.exists() else []

        daemon.configure(listen=listen, proxy=proxy)
        daemon.start()
        daemon.do("deploy", "web", "v1")
        assert daemon.json("status")["listen"] == [
            {"address": address, "role": "http", "tls": False, "proxy_protocol": address == addresses[1], "service": None,
             "redirect_port": None} for address in addresses]
        assert talk(front, line + ask).startswith(b"HTTP/1.1 200")
        assert talk(daemon.port, ask).startswith(b"HTTP/1.1 200")
        assert sorted(wait_until(lambda: len(clients()) == 2 and clients(), "both are recorded")) == [
            "127.0.0.1", "192.0.2.77"]
        assert json.loads(daemon.do("status", "--json"))["proxy"]["connections_refused"] == 0
        assert talk(front, ask) == b"", "who does not say who they are is cut off"
        assert json.loads(daemon.do("status", "--json"))["proxy"]["connections_refused"] == 1
        assert talk(daemon.port, line + ask).startswith(b"HTTP/1.1 400"), "the other address knows nothing of it"

        daemon.configure(listen=listen, proxy=proxy | {"trusted": ["192.0.2.0/24"]})
        daemon.do("apply")
        wait_until(lambda: talk(front, line + ask) == b"", "only trusted proxies may say it")
        daemon.configure(proxy=proxy)
        assert "listen.proxy_protocol" in daemon.do("apply")
        assert talk(daemon.port, ask).startswith(b"HTTP/1.1 200")
