# SPDX-License-Identifier: Apache-2.0
"""Services that are released together: all or none, under load, with failures, and with the controller killed."""
import http.client
import json
import os
import signal
import threading
import time

import pytest

from daemon import hello, wait_until

WORKER = ["sh", "-c", "echo working; while :; do sleep 0.2; done"]


class Pages:
    """A client that asks web and api in turn on one connection, and which version answered each."""

    def __init__(self, port):
        self.port, self.seen, self.troubles, self.ending = port, [], [], threading.Event()
        self.thread = threading.Thread(target=self._ask)

    def _ask(self):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        while not self.ending.is_set():
            for path in ("/", "/api"):
                try:
                    connection.request("GET", path)
                    reply = connection.getresponse()
                    reply.read()
                    if reply.status != 200:
                        self.troubles.append((path, reply.status, reply.getheader("X-Bascule-Reason")))
                    self.seen.append(reply.getheader("X-Version"))
                except (OSError, http.client.HTTPException) as error:
                    self.troubles.append((path, repr(error)))
                    connection.close()
        connection.close()

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.ending.set()
        self.thread.join()

    def turns(self):
        """The versions in order, each once as long as it lasts: a mixed pair would show as there and back."""
        return [v for n, v in enumerate(self.seen) if not n or self.seen[n - 1] != v]


@pytest.fixture
def stack(make_daemon):
    """web depends on api and jobs, a worker; v1 of all of them is live."""
    daemon = make_daemon(workers=1)
    daemon.release("bad-api")
    for name, path in (("web", "/"), ("api", "/api")):
        daemon.services[name] = hello(daemon.folder, replicas=1, route={"path": path}, release="shop")
        daemon.services[name]["deploy"] |= {"bake": "500ms"}
    daemon.services["web"]["depends_on"] = ["api", "jobs"]
    daemon.services["jobs"] = {"command": WORKER, "directory": str(daemon.folder), "release": "shop",
                               "health": {"running": "300ms"}, "deploy": {"bake": "300ms"}}
    daemon.start().do("deploy", "--release", "shop", "v1", "--bake", "0s")
    return daemon


def live(daemon):
    return {name: daemon.live(name) for name in ("web", "api", "jobs")}


def all_at(version):
    return {"web": version, "api": version, "jobs": version}


def test_a_page_of_two_services_is_never_mixed(stack):
    stack.release("v2")
    with Pages(stack.port) as pages:
        stack.do("deploy", "--all", "v2")
        assert live(stack) == all_at("v2")
        stack.do("rollback", "--release", "all")
    assert not pages.troubles, pages.troubles[:3]
    assert pages.turns() == ["v1", "v2", "v1"]
    assert live(stack) == all_at("v1")
    assert len(stack.instance_pids("jobs")) == 1
    starts = [event["service"] for event in stack.json("events", "-n", "1000")
              if event["kind"] == "step" and event["text"].startswith("start 1 instance")]
    assert starts[:3] in (["api", "jobs", "web"], ["jobs", "api", "web"])


def test_a_member_that_fails_takes_all_back(stack):
    stack.release("v2")
    (stack.folder / "releases" / "v2" / "switches").write_text("")
    stack.services["api"]["environment"]["HELLO_HEALTH"] = "503"
    stack.services["api"]["health"]["deadline"] = "1500ms"
    stack.configure()
    stack.do("apply")
    with Pages(stack.port) as pages:
        refused = stack.run("deploy", "--release", "shop", "v2")
    assert refused.returncode == 1 and "health check failed" in refused.stdout
    assert pages.turns() == ["v1"] and not pages.troubles
    assert live(stack) == all_at("v1")
    wait_until(lambda: len(stack.instance_pids("jobs")) == 1, "the new worker is gone")
    shown = json.loads(stack.run("status", "--release", "shop", "--json").stdout)
    assert {m["service"]: m["rollout"]["status"] for m in shown["services"]} == {
        "api": "failed", "jobs": "rolled-back", "web": "rolled-back"}


def test_what_is_asked_of_one_is_for_all_and_what_is_new_is_refused(stack):
    stack.release("v2")
    stack.do("deploy", "--release", "shop", "v2", "--bake", "1m", "--no-wait")
    wait_until(lambda: live(stack)["web"] == "v2", "web has the traffic")
    alone = stack.run("deploy", "api", "v2")
    assert alone.returncode == 3 and "shop (g" in alone.stderr, alone.stderr
    assert stack.run("deploy", "--release", "shop", "v3").returncode == 3
    stack.do("abort", "api")
    for name in ("web", "api", "jobs"):
        assert stack.settled(name)["status"] == "cancelled"
    assert live(stack) == all_at("v1")
    stack.do("lock", "jobs", "incident 42")
    locked = stack.run("deploy", "--release", "shop", "v2")
    assert locked.returncode == 3 and "incident 42" in locked.stderr
    unknown = stack.run("deploy", "--release", "shpo", "v2")
    assert unknown.returncode != 0 and "no service has release: shpo" in unknown.stderr
    both = stack.run("deploy", "--all", "web", "v2")
    assert both.returncode == 2 and "no SERVICE goes with --all" in both.stderr


def test_the_plan_of_all_of_them_is_shown_and_changes_nothing(stack):
    before = stack.json("status")["services"]
    plans = stack.json("plan", "--release", "shop", "v2")
    assert [plan["service"] for plan in plans] == ["api", "jobs", "web"]
    kinds = {plan["service"]: [step["kind"] for step in plan["steps"]] for plan in plans}
    assert kinds["web"][:4] == ["follow", "start", "check", "meet"] and "split" in kinds["web"]
    assert kinds["jobs"].count("meet") == 2 and "split" not in kinds["jobs"]
    shown = stack.do("plan", "--all", "v2")
    assert [line.split()[0] for line in shown.splitlines() if " deploy v2" in " ".join(line.split())] == [
        "api", "jobs", "web"]
    for words, status, text in (
            (("--release", "shpo", "v2"), 2, "no service is released under this name"),
            (("--release", "shop"), 2, "VERSION is missing"),
            (("--release", "shop", "v2", "--strategy", "rolling"), 2, "api: services that are released together"),
            (("--release", "shop", "no version"), 2, "is not a version")):
        refused = stack.run("plan", *words)
        assert refused.returncode == status and text in refused.stderr, (words, refused.returncode, refused.stderr)
    stack.do("deploy", "api", "v2", "--bake", "1m", "--no-wait")
    busy = stack.run("plan", "--release", "shop", "v2")
    assert busy.returncode == 3 and "api" in busy.stderr, busy.stderr
    stack.do("abort", "api")
    assert [service["name"] for service in before] == [s["name"] for s in stack.json("status")["services"]]
    assert live(stack) == all_at("v1")


def test_a_controller_that_is_killed_in_the_middle_leaves_all_or_none(stack):
    for number in range(2):
        version = f"w{number}"
        stack.release(version)
        before = live(stack)
        with Pages(stack.port) as pages:
            stack.do("deploy", "--release", "shop", version, "--no-wait")
            time.sleep(0.4 * number)
            os.kill(stack.pid("controller"), signal.SIGKILL)
            wait_until(lambda: stack.run("status", "-q").returncode == 0, "the controller is back")
            for name in ("web", "api", "jobs"):
                stack.settled(name)
        assert live(stack) in (before, all_at(version))
        assert pages.turns() in ([before["web"]], [before["web"], version]) and not pages.troubles
