# SPDX-License-Identifier: Apache-2.0
"""What hurts users of other tools, played under constant load: sequences of good and bad versions, commands in every
order, changes of the file in between, and applications that flap, are slow to start or die."""
import http.client
import os
import signal
import time

import pytest

from daemon import PYTHON, hello, wait_until
from load import Client


def get(daemon, path, host="localhost"):
    connection = http.client.HTTPConnection("127.0.0.1", daemon.port, timeout=60)
    try:
        connection.request("GET", path, headers={"Host": host})
        reply = connection.getresponse()
        reply.read()
        return reply.status, reply.getheader("X-Version")
    finally:
        connection.close()


def configure(daemon, **deploy):
    daemon.services["web"]["deploy"] |= deploy
    daemon.configure()
    daemon.do("apply")


def at_step(daemon, kind):
    def there():
        rollout = daemon.service()["rollout"]
        return rollout and rollout["step"] < len(rollout["steps"]) and rollout["steps"][rollout["step"]]["kind"] == kind
    wait_until(there, f"it comes to the step {kind}")


def statuses(daemon):
    return [(record["version"], record["status"]) for record in daemon.records()]


@pytest.fixture
def loaded(daemon):
    """v1 is live and asked all the time; nobody may see a failure. v2 to v4 are good, bad1 and bad2 never healthy."""
    for version in ("v2", "v3", "v4"):
        daemon.release(version)
    for version in ("bad1", "bad2"):
        daemon.release(version, health=503)
    daemon.services["web"]["health"]["deadline"] = "1500ms"
    configure(daemon, analysis={"enabled": False})
    with Client(daemon.port) as client:
        yield daemon
    assert client.answers and not client.failed(), client.failed()[:5]


def test_good_bad_good_and_bad_bad_good(loaded):
    for version in ("v2", "bad1", "v3", "bad1", "bad2", "v4"):
        before = loaded.live()
        done = loaded.run("deploy", "web", version)
        assert done.returncode == version.startswith("bad"), done.stdout + done.stderr
        assert loaded.live() == (before if version.startswith("bad") else version)
    assert statuses(loaded)[-6:] == [("v2", "replaced"), ("bad1", "failed"), ("v3", "replaced"), ("bad1", "failed"),
                                     ("bad2", "failed"), ("v4", "live")]
    loaded.do("rollback", "web")
    assert loaded.live() == "v3"  # not a version that was refused meanwhile


def test_a_rollback_to_a_version_that_does_not_work_any_more_leaves_the_live_one(loaded):
    for version in ("v2", "v3"):
        loaded.do("deploy", "web", version)
    (loaded.folder / "releases" / "v1" / "switches").write_text("health=503\n")
    failed = loaded.run("rollback", "web", "v1")
    assert failed.returncode == 1 and "503" in failed.stdout + failed.stderr, failed.stdout + failed.stderr
    assert loaded.live() == "v3" and loaded.settled()["status"] == "failed"
    healthy = [i["health"] for i in loaded.slot("live")["instances"]]
    assert healthy == ["healthy", "healthy"], healthy
    loaded.do("rollback", "web", "v2")
    assert loaded.live() == "v2"


def test_abort_then_retry_then_promote(loaded):
    configure(loaded, bake="60s")
    loaded.do("deploy", "web", "v2", "--no-wait")
    at_step(loaded, "bake")
    loaded.do("abort", "web")
    assert loaded.live() == "v1" and loaded.settled()["status"] == "cancelled"
    loaded.do("retry", "web", "--no-wait")
    at_step(loaded, "bake")
    loaded.do("promote", "web")
    assert loaded.settled()["status"] == "promoted" and loaded.live() == "v2"


def test_a_full_promotion_skips_all_watching_also_after_an_abort(loaded):
    configure(loaded, strategy="canary", steps=[10, 20, 50], bake="60s")
    for version, command in (("v2", "deploy"), ("v2", "retry")):
        loaded.do(command, "web", *[version][:command == "deploy"], "--no-wait")
        at_step(loaded, "bake")
        loaded.do(*(("abort", "web") if command == "deploy" else ("promote", "web", "--full")))
    last = loaded.settled()
    assert last["status"] == "promoted" and loaded.live() == "v2"
    assert {step["state"] for step in last["steps"] if step["kind"] == "bake"} == {"skipped"}


def test_the_strategy_may_change_from_release_to_release(loaded):
    live = ["v1"]
    for strategy in ("canary", "recreate", "rolling", "blue-green"):
        version = f"s{len(live)}"
        loaded.release(version)
        configure(loaded, strategy=strategy, steps=[50], batch="one-at-a-time", bake="100ms")
        loaded.do("deploy", "web", version)
        assert loaded.live() == version and loaded.settled()["strategy"] == strategy
        live.append(version)
    loaded.do("rollback", "web")
    assert loaded.live() == live[-2]


def test_a_deployment_does_not_let_held_requests_go(daemon):
    daemon.release("v2")
    configure(daemon, analysis={"enabled": False})
    daemon.do("traffic", "web", "hold")
    with Client(daemon.port) as client:
        wait_until(lambda: "hold" in daemon.do("status"), "requests are held")
        daemon.do("deploy", "web", "v2")  # its health is looked at although nobody is served
        assert daemon.service()["traffic"] == "hold" and daemon.live() == "v2"
        time.sleep(0.3)
        assert not client.answers
        daemon.do("traffic", "web", "serve")
        wait_until(lambda: len(client.answers) > 10, "they are answered")
    assert not client.failed() and {answer.version for answer in client.answers} == {"v2"}


def test_another_path_or_host_drops_the_old_one_exactly(make_daemon):
    daemon = make_daemon()
    daemon.services["web"] |= {"replicas": 1, "route": {"path": "/api"}}
    daemon.services["other"] = hello(daemon.folder, replicas=1, route={"path": "/"})
    daemon.start()
    for name in ("web", "other"):
        daemon.do("deploy", name, "v1" if name == "web" else "v2")
    with Client(daemon.port, path="/elsewhere") as client:
        for route, there, not_there in (
                ({"path": "/api"}, ["/api", "/api/1", "/api?x=%2F"], ["/apiary", "/", "/ap"]),
                ({"path": "/service"}, ["/service", "/service/api"], ["/api", "/api/1", "/services"]),
                ({"host": "shop.example", "path": "/service"}, [], ["/service", "/service/api"]),
                ({"path": "/service/deep"}, ["/service/deep/er"], ["/service", "/service/dee"])):
            daemon.services["web"]["route"] = route
            daemon.configure()
            daemon.do("apply")
            wait_until(lambda: [get(daemon, path) for path in there] == [(200, "v1")] * len(there), f"{there} is web's")
            wait_until(lambda: [get(daemon, path) for path in not_there] == [(200, "v2")] * len(not_there),
                       f"{not_there} is not web's")
            shops = "v1" if "host" in route or route["path"] == "/service" else "v2"
            assert get(daemon, "/service", host="shop.example") == (200, shops)
    assert client.answers and not client.failed(), client.failed()[:5]


def test_a_service_is_not_taken_out_in_the_middle_of_its_rollout(make_daemon):
    daemon = make_daemon()
    daemon.services["web"] |= {"route": {"path": "/web"}}
    daemon.services["other"] = hello(daemon.folder, replicas=1)
    daemon.services["web"]["deploy"]["bake"] = "60s"
    daemon.start().do("deploy", "other", "v1")
    daemon.do("deploy", "web", "v1")
    daemon.do("deploy", "web", "v2", "--no-wait")
    with Client(daemon.port) as client:
        at_step(daemon, "bake")
        web = daemon.services.pop("web")
        daemon.configure()
        refused = daemon.run("apply")
        assert refused.returncode == 3 and "rollout in progress" in refused.stderr and "abort" in refused.stderr
        daemon.do("abort", "web")
        daemon.do("apply")
        wait_until(lambda: [s["name"] for s in daemon.json("status")["services"]] == ["other"], "it is gone")
        daemon.services["web"] = web
        web["deploy"]["bake"] = "0s"
        daemon.configure()
        wait_until(lambda: daemon.run("apply").returncode == 0, "it may come back")
        daemon.do("deploy", "web", "v2")
    assert not client.failed(), client.failed()[:5]


FLAPPING = """
import http.server, itertools, os
turns = itertools.count()
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200 if next(turns) % 3 else 503)
        self.send_header("Content-Length", "0")
        self.end_headers()
http.server.HTTPServer(("127.0.0.1", int(os.environ["PORT"])), Handler).serve_forever()
"""


def test_an_application_that_flaps_does_not_become_healthy_and_its_deadline_holds(loaded):
    """Every third look at it fails, and three good ones in a row are asked for."""
    (loaded.folder / "releases" / "v2" / "flapping.py").write_text(FLAPPING)
    loaded.services["web"]["command"] = [PYTHON, "flapping.py"]
    loaded.services["web"]["health"] |= {"interval": "100ms", "rise": 3, "deadline": "2s"}
    configure(loaded)
    began = time.monotonic()
    done = loaded.run("deploy", "web", "v2")
    assert done.returncode == 1 and 1.9 < time.monotonic() - began < 60, done.stdout
    last = loaded.settled()
    assert last["status"] == "failed" and last["error"] == "health-check-failed" and "503" in last["reason"], last
    assert loaded.live() == "v1"


def test_an_application_that_starts_slowly_is_given_until_its_deadline(loaded):
    loaded.release("v2", start_delay=1.5)
    loaded.services["web"]["health"]["deadline"] = "20s"
    configure(loaded)
    loaded.do("deploy", "web", "v2")
    assert loaded.live() == "v2"
    assert not [event for event in loaded.json("events", "web") if event["kind"] == "exit"]


def test_an_application_that_dies_after_the_switch_is_taken_back_in_its_bake(loaded):
    configure(loaded, bake="60s")
    loaded.do("deploy", "web", "v2", "--no-wait")
    at_step(loaded, "bake")
    rollout = loaded.service()["rollout"]
    os.kill(loaded.service()["slots"][rollout["slot"]]["instances"][0]["pid"], signal.SIGKILL)
    last = loaded.settled()
    assert last["status"] == "rolled-back" and loaded.live() == "v1", last
    assert "exit" in last["reason"] or "signal" in last["reason"] or "healthy" in last["reason"], last["reason"]


def test_a_controller_that_is_stopped_for_a_while_goes_on_and_does_nothing_twice(loaded):
    loaded.services["web"]["health"]["deadline"] = "20s"
    configure(loaded, bake="1s")
    for version in ("v2", "v3"):  # while it starts, and in its bake
        loaded.do("deploy", "web", version, "--no-wait")
        if version == "v3":
            at_step(loaded, "bake")
        controller = loaded.pid("controller")
        os.kill(controller, signal.SIGSTOP)
        time.sleep(2)
        os.kill(controller, signal.SIGCONT)
        assert loaded.settled()["status"] == "promoted" and loaded.live() == version
        assert loaded.pid("controller") == controller
    steps = [event["text"] for event in loaded.json("events", "web", "-n", "300") if event["kind"] == "step"]
    for text in set(steps):
        assert steps.count(text) <= 3, steps  # once a deployment: v1, and these two
