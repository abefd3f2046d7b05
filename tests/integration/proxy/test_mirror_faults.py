# SPDX-License-Identifier: Apache-2.0
"""Copies of requests when something is wrong: candidates that hang, reset or dribble, clients that leave, more
requests than can be copied, several workers, and a proxy that is replaced. Users must not notice any of it."""
import contextlib
import json
import threading
import time
from pathlib import Path

import pytest
from dataplane import SANITIZED, Proxy, eventually
from mirroring import App, Site, answer, in_flight, json_of, mirroring

VALUE = {"a": 1}
RING_BYTES = 2 << 20
SOON_S = 5  # for what takes a few milliseconds, while a candidate does what it likes for much longer


@contextlib.contextmanager
def behaving(proxy, candidate, **rules):
    """`candidate` is called with each copy's Connection, and ends with it."""
    def serve(request):
        candidate(request.connection)
    with mirroring(proxy, json_of(VALUE), serve, **rules) as site:
        yield site


def wait_until_closed(connection):
    with contextlib.suppress(OSError):
        while connection.sock.recv(65536):
            pass


def reset(connection):
    connection.reset()


def close(connection):
    pass


def half_a_head(connection):
    connection.send(b"HTTP/1.1 200 OK\r\nContent-Le")


def half_a_body(connection):
    connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{")


def nonsense(connection):
    connection.send(b"what?\r\n\r\n")


def another_protocol(connection):
    connection.send(b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n")
    wait_until_closed(connection)


@pytest.mark.parametrize("candidate, reason", [
    (reset, "upstream-reset"), (close, "upstream-reset"), (half_a_head, "upstream-reset"),
    (half_a_body, "upstream-reset"), (nonsense, "bad-answer"), (another_protocol, "bad-answer")])
def test_a_candidate_that_gives_no_whole_answer_differs_and_the_user_notices_nothing(proxy, candidate, reason):
    with behaving(proxy, candidate) as site:
        assert json.loads(site.ask("/x?token=1", times=5)[1]) == VALUE
        report = site.report(compared=5)
        assert list(report.findings) == [("answer", reason)]
        assert report.example(reason)["request"] == "GET /x"
        cells = proxy.cell(site.name, "blue"), proxy.cell(site.name, "green")
        assert (cells[0]["requests"], cells[0]["errors"], cells[1]["requests"]) == (5, 0, 0)


def test_a_candidate_that_is_not_there_differs(proxy):
    with mirroring(proxy, json_of(VALUE), json_of(VALUE)) as site:
        site.candidate[0].origin.stop()
        assert json.loads(site.ask(times=50)[1]) == VALUE
        assert list(site.report(compared=50).findings) == [("answer", "connect-failed")]


def test_instances_are_not_ejected_for_what_copies_meet(proxy):
    """The question to the live version may fail, too: nobody is left out for it."""
    def live(request):
        if request.copy:
            request.connection.reset()
            return None
        return json_of(VALUE)(request)

    ejecting = {"ejection": {"failures": 2, "share_bp": 10000, "base_ms": 60000}}
    with mirroring(proxy, live, json_of({"a": 2}), options=ejecting) as site:
        assert site.ask(times=20)[0] == 200
        report = site.report(skipped=20)
        assert report.why == {"unsure": 20} and not report.compared
        assert site.ask()[0] == 200
        assert not any("ejected" in line for line in proxy.lines)


def test_a_candidate_that_dribbles_or_hangs_is_given_up_in_time(proxy):
    def dribble(connection):
        connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
        with contextlib.suppress(OSError):
            while True:
                connection.send(b"x")
                time.sleep(0.1)

    def by_path(connection):
        (dribble if connection.path == "/dribble" else wait_until_closed)(connection)

    with behaving(proxy, by_path) as site:
        started = time.monotonic()
        assert site.ask("/dribble")[0] == 200 and site.ask("/hang")[0] == 200
        assert time.monotonic() - started < SOON_S
        report = site.report(compared=2)
        assert 9 < time.monotonic() - started
        assert report.findings["answer", "too-late"]["count"] == 2


def test_a_candidate_may_take_as_long_as_the_live_version_and_longer(proxy):
    """It is compared, and its latency is no difference as such."""
    def slow(request):
        time.sleep(1)
        return json_of(VALUE)(request)

    with mirroring(proxy, json_of(VALUE), slow) as site:
        started = time.monotonic()
        site.ask(times=3)
        assert time.monotonic() - started < 0.9
        assert not site.report(compared=3).findings


def test_a_client_that_leaves_takes_its_copy_along(proxy):
    began, go_on = threading.Event(), threading.Event()

    def slow(request):
        request.connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n" + b"x" * 1000)
        began.set()
        go_on.wait(20)
        request.connection.send(b"x" * 999000)

    with mirroring(proxy, slow, json_of(VALUE)) as site:
        client = site.client()
        client.send(f"GET / HTTP/1.1\r\nHost: {site.host}\r\n\r\n".encode())
        client.head()
        assert began.wait(20)
        client.reset()
        go_on.set()
        assert site.report(skipped=1).why == {"broken": 1} and not site.candidate[0].requests


def test_an_answer_of_the_proxy_itself_is_not_compared(proxy):
    with mirroring(proxy, json_of(VALUE), json_of(VALUE)) as site:
        site.live[0].origin.stop()
        assert site.ask()[0] == 502
        assert site.report(skipped=1).why == {"broken": 1} and not site.candidate[0].requests


def test_a_full_queue_drops_copies_and_counts_them_and_no_user_waits(proxy):
    body, hung = json.dumps({"text": "x" * 20000}).encode(), threading.Event()

    def live(request):
        return answer(body)

    def candidate(request):
        hung.wait(60)
        return answer(body)

    requests = 3 * RING_BYTES // len(body)
    with mirroring(proxy, live, candidate, learn=False) as site:
        client = site.client()
        times = []
        for _ in range(requests):
            started = time.monotonic()
            assert site.ask(client=client) == (200, body)
            times.append(time.monotonic() - started)
        assert sorted(times)[len(times) // 2] < 0.1 and max(times) < SOON_S
        assert len(site.candidate[0].requests) <= 32
        hung.set()
        report = site.report(compared=1)
        while report.compared + report.dropped < requests:
            site.ask(client=client)  # what was dropped is told with the next one that was not
            site.report(compared=report.compared + 1)
        assert report.dropped > requests // 3 and not report.findings and not report.skipped


def memory_of(proxy):
    """What the process owns, in KiB."""
    for line in Path(f"/proc/{proxy.process.pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Private_Dirty"):
            return int(line.split()[1])
    raise AssertionError("no Private_Dirty")


@pytest.mark.skipif(SANITIZED, reason="a sanitizer's memory is not the program's")
def test_memory_is_bounded_while_a_candidate_hangs():
    """More requests than room, twice: the second time needs no more than the first."""
    with Proxy(workers=2) as proxy:
        proxy.begin([])
        proxy.expect("ready")
        hung = threading.Event()
        with mirroring(proxy, lambda r: answer(b"x" * 20000), lambda r: hung.wait(60) and None) as site:
            request = f"GET / HTTP/1.1\r\nHost: {site.host}\r\n\r\n".encode()
            clients = [site.client() for _ in range(8)]

            def flood(count):
                for _ in range(count):
                    for client in clients:
                        client.send(request)
                    for client in clients:
                        client.head()
                        client.exact(20000)

            before = memory_of(proxy)
            flood(60)
            full = memory_of(proxy)
            flood(120)
            assert memory_of(proxy) < full + 1024
            assert full < before + 2 * 2048 + 32 * 4 * 128 + 2048
            hung.set()


def test_every_worker_copies(tmp_path):
    with Proxy(workers=4) as proxy:
        proxy.begin([])
        proxy.expect("ready")
        with mirroring(proxy, json_of(lambda r: {"at": r.path}), json_of(lambda r: {"at": r.path})) as site:
            paths = [f"/{n}" for n in range(80)]
            for path in paths:  # a connection each: the kernel spreads them
                site.ask(path)
                site.clients.pop().close()
            report = site.report(compared=80)
            assert not report.findings and not report.dropped and not report.skipped
            assert sorted(r.path for r in site.candidate[0].requests) == sorted(paths)


def test_copies_end_at_once_when_their_rules_do(proxy):
    """Nothing is in flight at the candidate any more, so it need not be drained for long, and nothing is told."""
    hung = threading.Event()

    def candidate(request):
        hung.wait(20)
        return json_of({"a": 2})(request)

    with mirroring(proxy, json_of(VALUE), candidate) as site:
        site.ask(times=5)
        eventually(lambda: len(site.candidate[0].requests) == 5, what="five copies under way")
        assert in_flight(proxy, site) == 5
        started = time.monotonic()
        site.serve(mirror=False)
        eventually(lambda: in_flight(proxy, site) == 0, what="nothing in flight")
        assert time.monotonic() - started < SOON_S
        assert site.ask()[0] == 200
        hung.set()
        site.rollout += 1000  # another rollout: nothing of the old one is told under its name
        site.serve()
        site.ask()
        report = site.report(compared=1)
        assert report.compared == 1 and len(site.candidate[0].requests) == 6


def test_a_candidate_that_hangs_takes_nothing_from_those_of_other_services(proxy):
    hung = threading.Event()
    with mirroring(proxy, json_of(VALUE), lambda r: hung.wait(30) and None) as ill, \
            mirroring(proxy, json_of(VALUE), json_of({"a": 2})) as well:
        ill.ask(times=100)
        started = time.monotonic()
        well.ask(times=50)
        ill.ask(times=10)
        assert well.report(compared=50).paths == ["a"]
        assert time.monotonic() - started < 2 * SOON_S
        assert ill.report(dropped=80).dropped <= 110 - 16
        hung.set()


def test_each_of_two_generations_copies_and_tells_for_itself():
    """As while a proxy is upgraded: both carry traffic, both report, the one that leaves loses no request."""
    apps = [App(json_of(VALUE)), App(json_of({"a": 2}))]
    with contextlib.ExitStack() as stack:
        for app in apps:
            stack.enter_context(app)
        old, new = (stack.enter_context(Proxy(workers=1, generation=n)) for n in (1, 2))
        sites = []
        for proxy in (old, new):
            proxy.begin([])
            proxy.expect("ready")
            sites.append(Site(proxy, apps[:1], apps[1:], name="web"))
            sites[-1].rollout = sites[0].rollout
            sites[-1].serve()
        kept = [site.client() for site in sites]
        for site, client in zip(sites, kept):
            site.ask(times=10, client=client)
        assert [site.report(compared=10).paths for site in sites] == [["a"], ["a"]]
        old.say("retire drain_ms=5000")
        sites[1].ask(times=10, client=kept[1])
        assert sites[1].report(compared=20).paths == ["a"]
        for client in kept:
            client.close()
        assert old.process.wait(20) == 0
