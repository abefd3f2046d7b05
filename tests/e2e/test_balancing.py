# SPDX-License-Identifier: Apache-2.0
"""Weights, affinity and ejection as their user has them: from bascule.yaml to the answer and the status."""
import http.client
import threading
from collections import Counter

from daemon import Daemon, free_port, wait_until
from origins import Origin


def answers(daemon, count, path="/", **fields):
    client = http.client.HTTPConnection("127.0.0.1", daemon.port, timeout=20)
    got = []
    for _ in range(count):
        client.request("GET", path, headers=fields)
        answer = client.getresponse()
        got.append((answer.status, answer.read(), answer.getheader("Set-Cookie")))
    client.close()
    return got


class App:
    """An application whose health checks always pass."""

    def __init__(self, name):
        self.name, self.broken = name, threading.Event()

    def __call__(self, connection):
        while connection.read_head():
            broken = self.broken.is_set() and connection.path != "/health"
            connection.answer(self.name, status="500 Oops" if broken else "200 OK")


def health(daemon, address):
    return next(i["health"] for i in daemon.slot()["instances"] if i["address"] == address)


def test_shares_a_users_place_and_an_instance_with_bad_answers():
    apps = App(b"small"), App(b"large")
    with Origin(apps[0]) as small, Origin(apps[1]) as large:
        service = {"targets": {"blue": [small.address, f"{large.address} weight=3"],
                               "green": [f"127.0.0.1:{free_port()}"]},
                   "route": {"path": "/"}, "slow_start": "0s",
                   "health": {"path": "/health", "interval": "100ms"},
                   "ejection": {"errors": 3, "time": "2s"}}
        with Daemon(services={"web": service}) as daemon:
            daemon.start()
            wait_until(lambda: {health(daemon, a) for a in (small.address, large.address)} ==
                       {"healthy"}, "both are healthy")
            wait_until(lambda: Counter(body for _, body, _ in answers(daemon, 40)) ==
                       {b"small": 10, b"large": 30}, "one in four")

            apps[1].broken.set()
            wait_until(lambda: {status for status, _, _ in answers(daemon, 8)} == {200},
                       "the broken one is left out")
            wait_until(lambda: health(daemon, large.address) == "ejected", "status says so")
            assert "3 errors in a row" in daemon.do("events", "web")
            apps[1].broken.clear()
            wait_until(lambda: health(daemon, large.address) == "healthy", "it is back")
            assert "gets requests again" in daemon.do("events", "web")

            service["affinity"] = {"cookie": "place", "ttl": "1h"}
            daemon.configure()
            assert "affinity.cookie" in daemon.do("apply")
            wait_until(lambda: answers(daemon, 1)[0][2], "a cookie is given")
            for _ in range(10):
                _, body, cookie = answers(daemon, 1)[0]
                value, *attributes = cookie.split("; ")
                assert attributes == ["Path=/", "Max-Age=3600", "HttpOnly", "SameSite=Lax"]
                assert answers(daemon, 3, Cookie=value) == [(200, body, None)] * 3
