# SPDX-License-Identifier: Apache-2.0
"""A/B tests: users are divided between two versions of a shop, and what they do decides. Everybody counts once,
over connections, workers, proxies and controllers."""
import http.client
import json
import os
import signal
import socket

import pytest

from daemon import PYTHON, ROOT, hello, wait_until
from shop_app_buyers import buyers_among

GOALS = [{"name": "order", "path": "/order", "method": "POST", "status": 201},
         {"name": "visit", "path": "/shop/*"}]


@pytest.fixture
def start(make_daemon):
    """A daemon with the shop's v1 live, where one of ten users buys; v2 has `buyers`."""
    def started(buyers, **ab):
        daemon = make_daemon()
        for version, share in (("v1", 0.1), ("v2", buyers)):
            folder = daemon.folder / "releases" / version
            folder.mkdir(exist_ok=True)
            (folder / "buyers").write_text(str(share))
        daemon.services = {"web": hello(daemon.folder, command=[PYTHON, str(ROOT / "tests" / "support" / "shop_app.py")],
                                        affinity={"header": "X-User"})}
        daemon.services["web"]["deploy"] |= {
            "strategy": "ab", "ab": {"duration": "10m", "minimum_users": 40, "goals": GOALS,
                                     "value": {"header": "X-Order-Total"}, **ab}}
        daemon.start().do("deploy", "web", "v1")
        assert daemon.run("deploy", "web", "v2", "--no-wait").returncode == 0
        wait_until(lambda: report(daemon), "users are divided")
        return daemon
    return started


def report(daemon):
    """What is found so far; None before users are divided."""
    done = daemon.run("report", "web", "--json")
    return json.loads(done.stdout)["trial"] if done.returncode == 0 else None


class Users:
    """Visits of users over keep-alive connections, each user over any of them."""

    def __init__(self, port, connections=12):
        self.lines = [http.client.HTTPConnection("127.0.0.1", port, timeout=30) for _ in range(connections)]
        self.turn = 0
        self.versions = {}

    def ask(self, user, method="GET", path="/shop/shelf?page=1"):
        self.turn += 1
        line = self.lines[self.turn % len(self.lines)]
        line.request(method, path, headers={"X-User": user})
        answer = line.getresponse()
        answer.read()
        self.versions.setdefault(user, set()).add(answer.getheader("X-Version"))
        return answer.status

    def come(self, users, times=1):
        for _ in range(times):
            for user in users:
                self.ask(user)
                self.ask(user, "POST", "/order")


def come_by_http2(daemon, users, connections=8):
    """The same as Users.come, of HTTP/2: each user over one of the connections, all requests at once."""
    h2peer = pytest.importorskip("h2peer", reason="python3-hpack is not installed")
    for turn in range(connections):
        with socket.create_connection(("127.0.0.1", daemon.port), 30) as line:
            peer = h2peer.H2Peer(line, host="shop")
            for some in batches(users[turn::connections], 20):  # of 100 streams that a connection may have
                asked = [peer.request(path="/shop/shelf", extra=[("x-user", user)]) for user in some]
                asked += [peer.request(path="/order", method="POST", extra=[("x-user", user)], body=b"") for user in some]
                assert {peer.answer(number).status for number in asked} <= {200, 201}


def batches(things, size):
    return [things[at:at + size] for at in range(0, len(things), size)]


def names(first, count):
    return [f"user-{number}" for number in range(first, first + count)]


def reached(found, goal):
    """How many users, of both versions."""
    told = next(each for each in found["goals"] if each["name"] == goal)
    return told["candidate"]["users"] + told["live"]["users"]


def counted(daemon, users, orders):
    """The report, when what all workers tell has arrived: exactly so many users came and bought."""
    def complete():
        now = report(daemon)
        if now is None:  # the controller is on its way back
            return None
        told = (now["candidate_users"] + now["live_users"], reached(now, "visit"), reached(now, "order"),
                now["value"]["candidate_users"] + now["value"]["live_users"])
        return now if told == (users, users, orders, orders) else None
    return wait_until(complete, f"{users} users and {orders} orders are counted")


def test_the_version_that_more_users_buy_from_is_promoted(start):
    daemon = start(buyers=0.6)
    users = Users(daemon.port)
    for turn in range(40):
        if daemon.service()["rollout"] is None:
            break
        users.come(names(50 * turn, 50))
    last = daemon.settled()
    assert last["status"] == "promoted" and daemon.live() == "v2", last
    found = report(daemon)
    assert found["verdict"] == "candidate" and found["over"], found
    goal = found["goals"][0]
    assert goal["lift_low_ppm"] > 0 and goal["p_ppm"] <= 50000, goal
    assert found["value"]["candidate_millionths"] > found["value"]["live_millionths"]
    assert "the new version wins" in daemon.do("report", "web")
    assert all(len(seen) <= 2 for seen in users.versions.values())


def test_users_count_once_whoever_is_killed_and_a_test_without_a_difference_stays_undecided(start):
    daemon = start(buyers=0.1)
    first, second = names(0, 120), names(120, 80)
    Users(daemon.port).come(first, times=3)
    counted(daemon, 120, buyers_among(first, 0.1))
    os.kill(daemon.pid("controller"), signal.SIGKILL)
    Users(daemon.port).come(first + second[:40])  # while nobody reads
    counted(daemon, 160, buyers_among(first + second[:40], 0.1))
    daemon.do("upgrade")
    come_by_http2(daemon, first + second)
    Users(daemon.port).come(second)
    after = counted(daemon, 200, buyers_among(first + second, 0.1))
    assert after["verdict"] == "undecided" and after["lost"] == 0
    assert daemon.service()["rollout"]["waiting"].startswith("undecided after ")
    told = daemon.do("convert", "web", "--user", second[0], "--goal", "order")
    assert "counted for r" in told
    assert "has not come" in daemon.do("convert", "web", "--user", "nobody", "--goal", "order")
    refused = daemon.run("convert", "web", "--user", second[0], "--goal", "fame")
    assert refused.returncode == 2 and "has no goal 'fame'" in refused.stderr
    daemon.do("abort", "web")
    assert daemon.settled()["status"] == "cancelled"
    assert daemon.live() == "v1" and report(daemon)["over"]


def test_the_old_version_stays_when_it_wins_or_time_is_over(start):
    daemon = start(buyers=0, duration="2s")
    assert daemon.settled()["status"] == "rolled-back"
    assert "time is over, undecided after 0 and 0 users" in daemon.service()["last_rollout"]["reason"]
    assert daemon.live() == "v1"
