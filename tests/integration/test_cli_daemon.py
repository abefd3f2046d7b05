# SPDX-License-Identifier: Apache-2.0
"""The command line against the running daemon: what it prints, how it exits."""
import json
import os
import re
import select
import subprocess

import pytest

from cli_daemon import Daemon
from daemon import BASCULE


@pytest.fixture(scope="module")
def daemon(tmp_path_factory):
    running = Daemon(tmp_path_factory.mktemp("cli"))
    yield running
    running.stop()


@pytest.fixture(autouse=True)
def v1_is_live(daemon):
    daemon.make_live("v1")


def test_a_deployment_prints_a_line_a_change_when_piped(daemon):
    deployed = daemon.run("deploy", "web", "v2")
    assert deployed.returncode == 0, deployed.stderr
    lines = deployed.stdout.splitlines()
    assert all(re.match(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z web: ", line) for line in lines[:-1])
    assert re.search(r"web: deploy v2: rollout r\d+, blue-green$", lines[0])
    assert sum("healthy" in line for line in lines) >= 2
    assert lines[-1].startswith("web: v2 is live (")
    assert "`bascule rollback web` goes back to v1" in lines[-1]
    assert "\033" not in deployed.stdout
    assert daemon.live() == "v2"


def test_a_deployment_prints_its_rollout_as_json(daemon):
    rollout = daemon.json("deploy", "web", "v3")
    assert rollout["status"] == "promoted"
    assert rollout["version"] == "v3"
    assert {"id", "strategy", "step", "steps", "reason"} <= rollout.keys()


def test_no_wait_prints_the_id_alone_and_wait_watches_it(daemon):
    begun = daemon.run("deploy", "web", "v4", "--no-wait")
    assert begun.returncode == 0
    assert re.fullmatch(r"r\d+\n", begun.stdout)
    watched = daemon.run("wait", begun.stdout.strip())
    assert watched.returncode == 0, watched.stderr
    assert "v4 is live" in watched.stdout
    assert daemon.live() == "v4"


def test_staged_checked_and_switched(daemon):
    staged = daemon.run("deploy", "web", "v5", "--stage")
    assert staged.returncode == 0, staged.stderr
    assert "`bascule switch web` makes it live" in staged.stdout
    assert daemon.live() == "v1"
    checked = daemon.run("check", "web")
    assert checked.returncode == 0, checked.stderr
    assert "healthy, 2 passed, 0 failed" in checked.stdout
    assert daemon.json("check", "web")["healthy"] is True
    assert daemon.run("switch", "web").returncode == 0
    assert daemon.live() == "v5"


def test_a_rollback_goes_back_at_once_and_history_tells_it(daemon):
    assert daemon.run("deploy", "web", "v6").returncode == 0
    back = daemon.run("rollback", "web")
    assert back.returncode == 0, back.stderr
    assert "v1 is live" in back.stdout and "bascule rollback" not in back.stdout
    records = daemon.json("history", "web")
    assert [record["version"] for record in records][-2:] == ["v6", "v1"]
    assert [record["status"] for record in records][-2:] == ["rolled-back", "live"]
    assert {"id", "environment", "version", "status", "deployed_at", "switched_at", "rolled_back_at",
            "reason"} <= records[0].keys()
    assert daemon.json("history", "web", "-n", "1", "--before", records[-1]["id"]) == records[-2:-1]
    newest = daemon.run("history", "web", "-n", "2").stdout.splitlines()
    assert len(newest) == 3 and newest[0].split()[:4] == ["ID", "VERSION", "SLOT", "STATUS"]


def test_a_version_that_never_becomes_healthy_is_taken_back_and_everything_is_said(daemon):
    daemon.configure(deadline="4s")
    assert daemon.run("apply").returncode == 0
    failed = daemon.run("deploy", "web", "bad1")
    daemon.configure()
    assert daemon.run("apply").returncode == 0
    assert failed.returncode == 1
    assert "v1 is still live" in failed.stderr
    assert "503" in failed.stderr
    assert "bascule why web" in failed.stderr
    assert "begin bad1 \\x1b[2J" in failed.stderr, "the instance's last log lines, escaped"
    assert "\033" not in failed.stderr + failed.stdout
    assert daemon.live() == "v1"


def test_a_second_deployment_meets_a_busy_environment(daemon):
    assert daemon.run("deploy", "web", "slow1", "--no-wait").returncode == 0
    busy = daemon.run("deploy", "web", "v9", "--json")
    assert busy.returncode == 3
    assert json.loads(busy.stdout)["type"] == "urn:bascule:environment-busy"
    aborted = daemon.run("abort", "web")
    assert aborted.returncode == 0, aborted.stderr
    assert "taken back" in aborted.stdout and "v1 is live" in aborted.stdout


def test_whoever_watches_an_aborted_rollout_is_told_so_with_status_1(daemon):
    began = daemon.run("deploy", "web", "slow2", "--no-wait").stdout.strip()
    with subprocess.Popen([BASCULE, "wait", began], env=daemon.environment(), stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True) as watcher:
        assert select.select([watcher.stdout], [], [], 20)[0], "nothing was printed"
        assert daemon.run("abort", "web").returncode == 0
        _, said = watcher.communicate(timeout=30)
    assert watcher.returncode == 1
    assert "was aborted" in said


def test_a_time_limit_ends_the_waiting_and_not_the_rollout(daemon):
    late = daemon.run("deploy", "web", "slow3", "--timeout", "500ms")
    assert late.returncode == 5
    assert "the rollout goes on" in late.stderr
    rollout = daemon.web()["rollout"]
    daemon.open_gate("slow3")
    assert daemon.run("wait", rollout["id"]).returncode == 0
    assert daemon.live() == "slow3"


@pytest.mark.parametrize("words, said", [
    (["deploy", "wob", "v1"], "wob"),
    (["deploy", "web", "v/1"], "v/1"),
    (["deploy", "web", "v\t1"], "is not a version"),
    (["status", "../web"], "../web"),
    (["wait", "r99999"], "r99999"),
])
def test_what_does_not_exist_or_is_no_version_is_a_mistake_of_the_user(daemon, words, said):
    wrong = daemon.run(*words)
    assert wrong.returncode == 2, wrong.stderr
    assert said in wrong.stderr


def test_a_switch_with_nothing_staged_and_a_rollback_to_nothing_are_refused(daemon):
    assert daemon.run("cleanup", "web").returncode == 0
    assert daemon.run("switch", "web").returncode == 1
    refused = daemon.run("check", "web")
    assert refused.returncode == 1 and refused.stderr.startswith("bascule: ")


def test_status_is_a_table_and_a_page_and_strict_for_scripts(daemon):
    table = daemon.run("status").stdout.splitlines()
    assert table[0].split() == ["SERVICE", "VERSION", "LIVE", "HEALTHY", "TRAFFIC", "OTHER", "ROLLOUT"]
    assert table[1].split()[:2] == ["web", "v1"] and "2/2" in table[1]
    assert table[-1] == f"listening: 127.0.0.1:{daemon.port} http"
    page = daemon.run("status", "web").stdout
    assert "100 %" in page and page.count("healthy  127.0.0.1:") >= 2
    everything = daemon.json("status")
    assert set(everything["processes"]) == {"supervisor", "controller", "proxy"}
    assert all(everything["processes"].values())
    assert daemon.run("status", "--strict", "-q").returncode == 0
    assert daemon.run("traffic", "web", "maintenance").returncode == 0
    assert daemon.run("status", "--strict", "-q").returncode == 1


def test_plan_why_events_and_logs_say_what_is_so(daemon):
    plan = daemon.run("plan", "web", "v8")
    assert plan.returncode == 0 and "   1. " in plan.stdout and "deploy v8" in plan.stdout
    assert daemon.json("plan", "web", "v8")["steps"]
    assert daemon.run("why", "web").stdout.strip()
    events = daemon.json("events", "web", "-n", "3")
    assert len(events) == 3 and events[0]["sequence"] < events[2]["sequence"]
    logs = daemon.run("logs", "web", "--slot", daemon.web()["live"])
    assert logs.returncode == 0 and "| begin v1 \\x1b[2J" in logs.stdout
    assert "\033" not in logs.stdout


def test_apply_prints_what_changed_or_every_problem(daemon):
    daemon.configure(interval="300ms")
    changed = daemon.run("apply")
    assert changed.returncode == 0, changed.stderr
    assert "health.interval" in changed.stdout
    other = daemon.folder / "other.yaml"
    other.write_text("services: { web: { comand: [a], helth: 1 } }\n")
    wrong = daemon.run("apply", "-f", other)
    assert wrong.returncode == 2
    assert "services.web.comand" in wrong.stderr and "services.web.helth" in wrong.stderr
    missing = daemon.run("apply", "-f", daemon.folder / "missing.yaml")
    assert missing.returncode == 2 and "missing.yaml" in missing.stderr
    daemon.configure()
    assert daemon.run("apply").returncode == 0


def test_completion_names_services_versions_and_instances(daemon):
    def offered(*words):
        return [line.split("\t")[0] for line in daemon.run("__complete", *words).stdout.splitlines()]
    assert offered("deploy", "") == ["web"]
    assert "v1" in offered("rollback", "web", "")
    instances = offered("logs", "web", "--instance", "")
    assert {instance["id"] for instance in daemon.web()["slots"][daemon.web()["live"]]["instances"]} <= set(instances)


def test_followed_events_come_as_they_happen_one_object_a_line(daemon):
    with subprocess.Popen([BASCULE, "events", "web", "--follow", "--json", "-n", "1"], env=daemon.environment(),
                          stdout=subprocess.PIPE) as follower:
        def next_event():
            assert select.select([follower.stdout], [], [], 20)[0], "no event came"
            return json.loads(os.read(follower.stdout.fileno(), 65536).split(b"\n")[0])
        try:
            first = next_event()
            assert daemon.run("traffic", "web", "hold").returncode == 0
            second = next_event()
        finally:
            follower.kill()
    assert second["sequence"] > first["sequence"]
    assert "hold" in json.dumps(second)
