# SPDX-License-Identifier: Apache-2.0
"""What the candidate of a rollout fails is answered by the stable slot, and charged to the
candidate all the same. Green is the candidate here, blue is stable."""
import json

import pytest

from dataplane import Proxy, ask, eventually, log_lines
from origins import Repeating
from wire import Origin, field, status

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nstable"
CHUNKED_500 = b"HTTP/1.1 500 No\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nbad\r\n0\r\n\r\n"
GREEN = {"blue": 0, "green": 10000}
RESCUE = {"stable": "blue", "rescue": True, "rescue_least": 1000}


def failing(code):
    return b"HTTP/1.1 %d No\r\nContent-Length: 3\r\n\r\nbad" % code


class Rollout:
    """A service whose traffic goes to the candidate."""

    def __init__(self, site, stable, candidate):
        self.site, self.stable, self.candidate = site, stable, candidate

    def say(self, weights=GREEN, rescue=RESCUE, **options):
        site = self.site
        routes = [{"host": site.host, "path": "/"}]
        slots = {"blue": [self.stable.address], "green": [self.candidate.address]}
        site.proxy.tell(service={"name": site.name, "routes": routes, **options})
        site.proxy.tell(instances=site.proxy.roster(site.name, slots))
        site.proxy.tell(splits=[site.proxy.split(site.name, weights, **rescue)])
        site.addresses = []
        return self

    def counted(self, slot="green", **expected):
        cell = {}

        def equal():
            cell.update(self.site.proxy.cell(self.site.name, slot))
            return all(cell[name] == value for name, value in expected.items())
        try:
            eventually(equal, timeout=5, what=f"counted {expected}")
        except Exception:
            raise AssertionError({name: cell[name] for name in expected}) from None

    def rescued(self, **by):
        """One request, charged to the candidate as an error, and to nobody else."""
        self.counted(requests=1, claimed=1, errors=1, rescue_failed=0, rescue_refused=0, **by)
        self.counted("blue", requests=0, claimed=0, errors=0)


@pytest.fixture
def rollout(site):
    with Origin() as candidate:
        yield Rollout(site, site.origin, candidate).say()


def answer(origin, answer=OK):
    peer = origin.accept()
    head = peer.head()
    peer.send(answer)
    return head


def check(client):
    assert status(client.head()) == 200
    assert client.exact(6) == b"stable"


@pytest.mark.parametrize("code", [500, 502, 503, 504])
def test_a_server_error_of_the_candidate_is_never_seen(site, rollout, code):
    client = site.client(site.get(b"/x"))
    candidate = rollout.candidate.accept()
    candidate.head()
    candidate.send(failing(code))
    assert answer(rollout.stable).startswith(b"GET /x ")
    check(client)
    assert candidate.quiet()  # its answer was whole: the connection is kept
    rollout.rescued(rescued_status=1, s5=1, s2=0, bytes_out=0)


def test_the_access_log_says_what_was_rescued_and_how_often_it_was_tried(site, rollout, tmp_path):
    site.proxy.log_to(tmp_path / "log")
    client = site.client(site.get())
    for _ in range(3):
        instance = rollout.candidate.accept()
        instance.head()  # before that it would be a connection that failed
        instance.reset()
    answer(rollout.stable)
    check(client)
    client = site.client(site.get())
    answer(rollout.candidate, failing(502))
    answer(rollout.stable)
    check(client)
    by_reset, by_status = (json.loads(line) for line in log_lines(tmp_path / "log", 2))
    site.proxy.say("access-log format=json addresses=full")
    assert (by_status["rescued"], by_status["status"], by_status["tries"]) == ("status", 200, 2)
    assert (by_reset["rescued"], by_reset["status"], by_reset["tries"]) == ("reset", 200, 4)
    assert by_status["slot"] == by_reset["slot"] == "blue" and "reason" not in by_status


@pytest.mark.parametrize("code", [501, 505, 404, 429])
def test_what_the_version_says_by_intention_is_its_answer(site, rollout, code):
    client = site.client(site.get())
    answer(rollout.candidate, failing(code))
    assert status(client.head()) == code
    assert client.exact(3) == b"bad"
    assert rollout.stable.untouched()


@pytest.mark.parametrize("bad", [CHUNKED_500, CHUNKED_500[:-9], failing(500)[:-2],
                                 b"HTTP/1.1 500 No\r\n\r\nuntil it closes"])
def test_the_candidates_error_need_not_be_whole(site, rollout, bad):
    client = site.client(site.get())
    candidate = rollout.candidate.accept()
    candidate.head()
    candidate.send(bad)
    answer(rollout.stable)
    check(client)
    assert candidate.rest()[0] == b""
    rollout.rescued(rescued_status=1)


@pytest.mark.parametrize("part", [b"", b"HTTP/1.1 200 OK\r\nContent-"])
def test_a_reset_before_the_head_is_complete_is_rescued(site, rollout, part):
    client = site.client(site.get())
    for _ in range(1 if part else 3):  # retries inside the slot come first
        candidate = rollout.candidate.accept()
        candidate.head()
        candidate.send(part)
        if part:
            site.proxy.ping()
        candidate.finish() if part else candidate.reset()
    answer(rollout.stable)
    check(client)
    rollout.rescued(rescued_reset=1, reset=1, retries=0 if part else 2)


def test_an_answer_that_began_is_not_rescued(site, rollout):
    client = site.client(site.get())
    candidate = rollout.candidate.accept()
    candidate.head()
    candidate.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nbegin")
    assert status(client.head()) == 200
    candidate.reset()
    rest, was_reset = client.rest()
    assert rest == b"begin" and was_reset
    assert rollout.stable.untouched()
    rollout.counted(requests=1, errors=1, reset=1, rescued_reset=0)


def test_an_error_that_began_to_be_late_is_rescued(site, rollout):
    rollout.say(answer_ms=300)
    client = site.client(site.get())
    rollout.candidate.accept().head()
    answer(rollout.stable)
    check(client)
    rollout.rescued(rescued_timeout=1, timed_out=1)


@pytest.mark.parametrize("garbage", [b"<html>\r\n\r\n", b"HTTP/1.1 200 OK\r\nX: \0\r\n\r\n",
                                     b"HTTP/1.1 200 OK\r\n" + (b"X: " + b"a" * 8000 + b"\r\n") * 5,
                                     b"HTTP/1.1 101 Switch\r\nUpgrade: x\r\n"
                                     b"Connection: upgrade\r\n\r\n"])
def test_garbage_is_rescued(site, rollout, garbage):
    client = site.client(site.get())
    answer(rollout.candidate, garbage)
    answer(rollout.stable)
    check(client)
    rollout.rescued(rescued_reset=1, reset=1)


def test_nobody_listening_is_rescued_also_for_what_cannot_be_replayed(site, rollout):
    rollout.candidate.sock.close()
    client = site.client(b"POST / HTTP/1.1\r\nHost: HOST\r\nContent-Length: 4\r\n\r\nbody")
    stable = rollout.stable.accept()
    stable.head()
    assert stable.exact(4) == b"body"
    stable.send(OK)
    check(client)
    rollout.rescued(rescued_connect=1, connect_failed=1)


def test_no_healthy_instance_is_rescued(site, rollout):
    slots = {"blue": [rollout.stable.address], "green": [rollout.candidate.address]}
    site.proxy.tell(instances=site.proxy.roster(site.name, slots, ill=[rollout.candidate.address]))
    client = site.client(site.get())
    answer(rollout.stable)
    check(client)
    rollout.rescued(rescued_no_instance=1, no_instance=1)


def test_what_was_sent_and_cannot_be_replayed_is_answered_by_the_candidate(site, rollout):
    client = site.client(b"POST / HTTP/1.1\r\nHost: HOST\r\nContent-Length: 4\r\n\r\nbody")
    candidate = rollout.candidate.accept()
    candidate.head(), candidate.exact(4)
    candidate.send(failing(500))
    assert status(client.head()) == 500
    assert client.exact(3) == b"bad"
    rollout.counted(requests=1, errors=1, rescued_status=0, rescue_failed=0)


def test_head_is_rescued_like_get(site, rollout):
    client = site.client(b"HEAD / HTTP/1.1\r\nHost: HOST\r\n\r\n")
    answer(rollout.candidate, b"HTTP/1.1 503 No\r\nContent-Length: 3\r\n\r\n")
    assert answer(rollout.stable, b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n")[:5] == b"HEAD "
    assert status(client.head()) == 200
    assert client.quiet()


@pytest.mark.parametrize("chunked", [False, True])
def test_the_body_goes_to_stable_as_well(site, rollout, chunked):
    body = b"5\r\nhello\r\n0\r\nX-Sum: 1\r\n\r\n" if chunked else b"h" * 50000
    framing = b"Transfer-Encoding: chunked" if chunked else b"Content-Length: 50000"
    client = site.client(b"PUT / HTTP/1.1\r\nHost: HOST\r\n" + framing + b"\r\n\r\n" + body)
    candidate = rollout.candidate.accept()
    candidate.head()
    assert candidate.exact(len(body)) == body
    candidate.send(failing(500))
    stable = rollout.stable.accept()
    stable.head()
    assert stable.exact(len(body)) == body
    stable.send(OK)
    check(client)
    rollout.rescued(rescued_status=1)


def test_a_body_over_the_limit_is_not_rescued(site, rollout):
    client = site.client(b"PUT / HTTP/1.1\r\nHost: HOST\r\nContent-Length: 70000\r\n\r\n" +
                         b"x" * 70000)
    candidate = rollout.candidate.accept()
    candidate.head(), candidate.exact(70000)
    candidate.send(failing(500))
    assert status(client.head()) == 500
    rollout.counted(requests=1, rescued_status=0)


def test_100_continue_is_asked_for_again(site, rollout):
    client = site.client(b"PUT / HTTP/1.1\r\nHost: HOST\r\nContent-Length: 5\r\n"
                         b"Expect: 100-continue\r\n\r\n")
    answer(rollout.candidate, failing(500))  # at once, without wanting the body
    stable = rollout.stable.accept()
    assert field(stable.head(), "expect") == "100-continue"
    stable.send(b"HTTP/1.1 100 Continue\r\n\r\n")
    assert status(client.head()) == 100
    client.send(b"hello")
    assert stable.exact(5) == b"hello"
    stable.send(OK)
    check(client)
    rollout.rescued(rescued_status=1)


def test_hints_of_the_candidate_may_precede_stables_answer(site, rollout):
    client = site.client(site.get())
    answer(rollout.candidate, b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n" + failing(500))
    answer(rollout.stable)
    assert status(client.head()) == 103
    check(client)


def test_when_stable_fails_too_its_answer_is_given_and_the_candidate_charged_once(site, rollout):
    client = site.client(site.get())
    answer(rollout.candidate, failing(500))
    answer(rollout.stable, failing(503))
    assert status(client.head()) == 503
    assert client.exact(3) == b"bad"
    rollout.counted(requests=1, claimed=1, errors=1, s5=1, rescue_failed=1, rescued_status=0)
    rollout.counted("blue", requests=0, claimed=0)


def test_when_stable_is_gone_the_error_is_the_answer(site, rollout):
    slots = {"blue": [rollout.stable.address], "green": [rollout.candidate.address]}
    site.proxy.tell(instances=site.proxy.roster(site.name, slots, ill=[rollout.stable.address]))
    client = site.client(site.get())
    answer(rollout.candidate, failing(500))
    assert status(client.head()) == 500
    rollout.counted(requests=1, errors=1, rescue_refused=1)


def test_stable_itself_is_not_rescued(site, rollout):
    rollout.say(weights={"blue": 10000, "green": 0})
    client = site.client(site.get())
    answer(rollout.stable, failing(500))
    assert status(client.head()) == 500
    assert rollout.candidate.untouched()


def test_without_a_rollout_nothing_is_rescued(site, rollout):
    rollout.say(rescue={"stable": "green", "rescue": False})
    client = site.client(site.get())
    answer(rollout.candidate, failing(500))
    assert status(client.head()) == 500


def test_a_stale_connection_of_stable_is_not_used_for_a_rescue(site, rollout):
    rollout.say(weights={"blue": 10000, "green": 0})
    client = site.client(site.get())
    stable = rollout.stable.accept()
    stable.head()
    stable.send(OK)
    check(client)
    rollout.say()
    client.send(site.get())
    answer(rollout.candidate, failing(500))
    answer(rollout.stable)  # a new connection
    check(client)


def test_in_flight_when_the_traffic_goes_back_is_rescued_too(site, rollout):
    client = site.client(site.get())
    candidate = rollout.candidate.accept()
    candidate.head()
    rollout.say(weights={"blue": 10000, "green": 0})
    candidate.reset()
    answer(rollout.stable)
    check(client)
    rollout.rescued(rescued_reset=1, reset=1)


def test_pipelined_requests_are_rescued_one_by_one(site, rollout):
    client = site.client(site.get(b"/1") + site.get(b"/2"))
    for path in (b"/1", b"/2"):
        answer(rollout.candidate, failing(500)[:-3])
        assert answer(rollout.stable).startswith(b"GET " + path)
        check(client)


def tripped_lines(proxy):
    """Told so far, up to a change that changes nothing."""
    proxy.ping()
    proxy.tell(remove={"service": "nobody"})
    return [line["tripped"] for line in proxy.lines if "tripped" in line]


class Trial:
    """A whole proxy with one service of two versions; the candidate fails everything."""

    def __init__(self, workers=2, weights=GREEN, **rescue):
        self.stable, self.candidate = Repeating(OK), Repeating(failing(500))
        self.proxy = Proxy(workers=workers)
        self.proxy.__enter__()
        self.slots = {"blue": [self.stable.address], "green": [self.candidate.address]}
        self.rescue = {"stable": "blue", "rescue": True, **rescue}
        lines = self.proxy.service_lines("web", self.slots, weights=weights)
        lines[-1]["splits"][0].update(self.rescue)
        self.lines = lines
        assert not self.proxy.begin(lines)
        self.proxy.expect("ready")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.proxy.__exit__(None, None, None)
        self.stable.stop(), self.candidate.stop()

    def get(self):
        with self.proxy.connect() as s:  # one connection each: both workers get some
            return ask(s)[0]


def test_a_used_up_budget_sends_everything_to_stable_and_is_told_once():
    with Trial(workers=2, rescue_least=20) as trial:
        for _ in range(60):
            assert trial.get() == 200
        eventually(lambda: tripped_lines(trial.proxy), what="the trip is told")
        seen = trial.candidate.seen
        assert 11 <= seen <= 26, seen
        for _ in range(40):
            assert trial.get() == 200
        assert trial.candidate.seen == seen
        split = trial.proxy.split_generation
        assert tripped_lines(trial.proxy) == [{"service": "web", "generation": split,
                                               "slot": "green"}]
        cell = trial.proxy.cell("web", "green")
        assert cell["requests"] == cell["errors"] == cell["rescued_status"] == seen
        assert trial.proxy.cell("web", "blue")["errors"] == 0


def test_a_trip_lasts_until_a_newer_split():
    with Trial(workers=1, rescue_least=3) as trial:
        while not tripped_lines(trial.proxy):
            assert trial.get() == 200
        seen = trial.candidate.seen
        same = trial.lines[-1]["splits"][0]
        trial.proxy.tell(splits=[same])
        for line in trial.lines[:-1]:
            trial.proxy.tell(**line)
        assert trial.get() == 200 and trial.candidate.seen == seen
        trial.proxy.begin(trial.lines)  # everything anew, as from a new controller
        assert trial.get() == 200 and trial.candidate.seen == seen
        eventually(lambda: len(tripped_lines(trial.proxy)) == 2, what="told to the new one, too")
        trial.proxy.tell(splits=[trial.proxy.split("web", GREEN, **trial.rescue)])
        assert trial.get() == 200
        assert trial.candidate.seen == seen + 1


def test_below_the_budget_nothing_trips():
    with Trial(workers=1, weights={"blue": 9500, "green": 500}, rescue_least=10) as trial:
        with trial.proxy.connect() as s:
            for _ in range(1000):
                assert ask(s)[0] == 200
        assert tripped_lines(trial.proxy) == []
        cell = trial.proxy.cell("web", "green")
        assert cell["rescued_status"] == cell["requests"] == trial.candidate.seen > 10


def test_without_stable_nothing_trips():
    with Trial(workers=1, rescue_least=3) as trial:
        trial.proxy.tell(instances=trial.proxy.roster("web", trial.slots,
                                                      ill=[trial.stable.address]))
        for _ in range(20):
            assert trial.get() == 500
        assert tripped_lines(trial.proxy) == []
        assert trial.candidate.seen == 20
