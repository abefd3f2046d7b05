# SPDX-License-Identifier: Apache-2.0
"""Chosen users see a new version first: under load, with everybody else on the old one, and back at once."""
import os
import signal
import time

import pytest

from daemon import hello, wait_until
from load import Client

RULES = [{"header": "X-Beta", "value": "yes"}, {"cookie": "beta"}]
BETA = ["X-Beta: yes"]


@pytest.fixture
def start(make_daemon):
    """Starts a daemon with v1 live; `deploy` is added to the section."""
    def started(**deploy):
        daemon = make_daemon()
        web = hello(daemon.folder)
        web["deploy"] |= {"strategy": "canary", "steps": [50], "bake": "60s", "match": RULES, **deploy}
        daemon.services["web"] = web
        daemon.start().do("deploy", "web", "v1", "--bake", "0s")
        daemon.release("v2")
        return daemon
    return started


def under_rules(daemon):
    """The rules are in force: the service as it is shown then."""
    def matched():
        service = daemon.service()
        return service["rollout"] and service["slots"][service["rollout"]["slot"]]["match"] and service
    return wait_until(matched, "the rules are in force")


def versions(client, since):
    return {answer.version for answer in client.answers if answer.sent > since}


def test_chosen_users_see_the_version_first_and_an_abort_takes_them_back_at_once(start):
    daemon = start()
    plan = daemon.do("plan", "web", "v2")
    assert "send the users that match rules choose" in plan and "chosen" in plan and "50 %+" in plan, plan
    assert "header:X-Beta=yes or cookie:beta" in plan, plan
    with Client(daemon.port) as all, Client(daemon.port, fields=BETA) as chosen:
        daemon.do("deploy", "web", "v2", "--no-wait")
        service = under_rules(daemon)
        slot = service["slots"][service["rollout"]["slot"]]
        assert slot["match"] == ["header:X-Beta=yes", "cookie:beta"] and slot["weight_bp"] == 0
        began = time.monotonic()
        wait_until(lambda: sum(a.sent > began for a in list(chosen.answers)) > 100, "they asked often")
        killed = daemon.pid("controller")
        os.kill(killed, signal.SIGKILL)
        wait_until(lambda: daemon.status_or_none()["processes"]["controller"] not in (None, killed), "it is back")
        assert "header:X-Beta=yes" in daemon.do("why", "web")
        assert "and what fits header:X-Beta=yes or cookie:beta" in daemon.do("status", "web")
        wait_until(lambda: "requests of chosen users" in daemon.do("why", "web"), "the judge says who was asked")
        ended = time.monotonic()
        daemon.do("abort", "web")
        back = time.monotonic()
        time.sleep(0.5)
    middle = [a for a in chosen.answers if began < a.sent and a.done < ended]
    assert {a.version for a in middle} == {"v2"}
    assert {a.version for a in all.answers} == {"v1"}
    assert versions(chosen, back) == {"v1"}
    assert not all.failed() and not chosen.failed(), (all.failed()[:3], chosen.failed()[:3])
    assert daemon.settled()["status"] == "cancelled" and daemon.live() == "v1"


def test_the_coin_follows_the_chosen_and_the_whole_ends_their_being_chosen(start):
    daemon = start(bake="700ms", analysis={"minimum_requests": 20})
    with Client(daemon.port) as all, Client(daemon.port, fields=["Cookie: beta=on"]) as chosen:
        daemon.do("deploy", "web", "v2", "--no-wait")
        under_rules(daemon)
        last = daemon.settled()
    assert last["status"] == "promoted", last
    assert not all.failed() and not chosen.failed()
    seen = [a.version for a in chosen.answers]
    assert "v1" not in seen[seen.index("v2") + 1:]  # never back, also while others still get v1
    others = [a.version for a in all.answers]
    assert others.index("v2") < len(others) - others[::-1].index("v1")  # for a while it was both
    first = next(a.sent for a in chosen.answers if a.version == "v2")
    assert first < next(a.sent for a in all.answers if a.version == "v2")
    assert not daemon.slot("blue")["match"] and not daemon.slot("green")["match"]
    steps = [step["kind"] for step in last["steps"]]
    assert steps[2:6] == ["match", "bake", "split", "bake"], steps


def test_a_version_that_fails_chosen_users_is_taken_back_and_they_saw_no_error(start):
    daemon = start()
    daemon.release("bad", fail_percent=60)
    with Client(daemon.port) as all, Client(daemon.port, fields=BETA) as chosen:
        wait_until(lambda: len(all.answers) > 300, "there is something to compare with")
        result = daemon.run("deploy", "web", "bad", "--match", "header:X-Beta^=y; address:203.0.113.0/24")
    last = daemon.settled()
    assert result.returncode == 1 and last["status"] == "rolled-back", (result.stdout, last)
    assert not all.failed() and not chosen.failed(), (all.failed()[:3], chosen.failed()[:3])
    assert "bad" not in {a.version for a in all.answers}


def test_rules_that_make_no_sense_are_refused_before_anything_happens(start):
    daemon = start()
    for words, why in ((["--match", "agent:curl"], "begins with none of header:, cookie:, address:"),
                       (["--match", "address:10.0.0.1/8"], "is no address and no range of them"),
                       (["--match", "header:X", "--strategy", "blue-green"], "for the strategy canary")):
        answer = daemon.run("deploy", "web", "v2", *words)
        assert answer.returncode in (1, 2) and why in answer.stderr, answer
    assert daemon.live() == "v1" and not daemon.service()["rollout"]
