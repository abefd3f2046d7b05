# SPDX-License-Identifier: Apache-2.0
"""Releases of containers: what users see while they are deployed, rolled back, broken and killed."""
import os
import signal

from containers import Visitors, shop
from daemon import wait_until


def test_blue_green_of_containers_loses_no_request_there_and_back(make_daemon):
    daemon = make_daemon().start()
    daemon.do("deploy", "web", "v1")
    assert daemon.version() == (200, "v1")
    with Visitors(daemon) as visitors:
        daemon.do("deploy", "web", "v2")
        assert daemon.version() == (200, "v2")
        daemon.do("rollback", "web")
        assert daemon.version() == (200, "v1")
        daemon.do("deploy", "web", "v3")
    assert visitors.failed == [] and visitors.asked > 100
    assert daemon.version() == (200, "v3")
    daemon.settled_containers()


def test_a_canary_of_containers_gets_its_share(make_daemon):
    daemon = make_daemon(services={"web": shop(deploy={
        "strategy": "canary", "steps": ["50%"], "bake": "1s", "standby": "0s", "drain": "5s",
        "analysis": {"minimum_requests": 10}})}).start()
    daemon.do("deploy", "web", "v1")
    with Visitors(daemon) as visitors:
        daemon.do("deploy", "web", "v2")
    assert visitors.failed == []
    assert daemon.version() == (200, "v2")
    daemon.settled_containers()


def test_containers_are_found_by_labels_ours_and_those_of_compose(make_daemon, engine):
    daemon = make_daemon().start()
    daemon.do("deploy", "web", "v1")
    mine = engine.containers("--filter", f"label=bascule.state-directory={daemon.state}",
                             "--filter", "label=bascule.service=web", "--filter", "label=bascule.slot=green")
    assert mine == daemon.running() and len(mine) == 2
    assert mine == engine.containers("--filter", f"label=com.docker.compose.project={daemon.project}",
                                     "--filter", "label=com.docker.compose.service=web",
                                     "--filter", "label=com.docker.compose.oneoff=False")


def test_an_image_that_is_not_there_fails_before_anything_starts(make_daemon):
    daemon = make_daemon().start()
    daemon.do("deploy", "web", "v1")
    before = daemon.containers()
    with Visitors(daemon) as visitors:
        done = daemon.run("deploy", "web", "v9")
    assert done.returncode == 1
    assert "the image shop:v9 is not on this machine, and pull_policy is never" in done.stdout + done.stderr
    assert visitors.failed == [] and daemon.version() == (200, "v1")
    assert daemon.containers() == before


def test_a_container_that_ends_at_once_is_told_with_its_last_words(make_daemon):
    daemon = make_daemon().start()
    daemon.do("deploy", "web", "v1")
    daemon.services["web"]["command"] = "echo the database is not there; exit 3"
    daemon.configure()
    daemon.do("apply")
    done = daemon.run("deploy", "web", "v2")
    assert done.returncode == 1
    assert "exited with status 3" in done.stdout + done.stderr
    assert "the database is not there" in done.stdout + done.stderr
    assert daemon.version() == (200, "v1")
    daemon.settled_containers()


def test_a_program_that_the_image_does_not_have_is_named(make_daemon):
    daemon = make_daemon(services={"web": shop(command=["/no/such/program"])}).start()
    done = daemon.run("deploy", "web", "v1")
    assert done.returncode == 1
    assert "/no/such/program" in done.stdout + done.stderr


def test_running_out_of_memory_is_named_as_such(make_daemon):
    daemon = make_daemon().start()
    daemon.do("deploy", "web", "v1")
    daemon.services["web"].update(mem_limit="16MiB", command=["tail", "-c", "500m", "/dev/zero"], restart="never")
    daemon.configure()
    daemon.do("apply")
    done = daemon.run("deploy", "web", "v2")
    assert done.returncode == 1
    assert "out of memory, of which it may have 16 MiB (mem_limit)" in done.stdout + done.stderr
    assert daemon.version() == (200, "v1")


def test_an_instance_that_dies_is_known_at_once_and_replaced(make_daemon, engine):
    daemon = make_daemon().start()
    daemon.do("deploy", "web", "v1")
    victim = sorted(daemon.running())[0]
    engine.docker("kill", victim)
    wait_until(lambda: "killed by signal 9" in daemon.do("events", "web"), "its end is told", 10)
    wait_until(lambda: daemon.healthy() == 2, "it is back", 30)
    daemon.settled_containers()


def test_output_is_read_while_it_runs(make_daemon):
    daemon = make_daemon(services={"web": shop(
        command="echo begun; exec httpd -f -p 8080 -h /www", replicas=1)}).start()
    daemon.do("deploy", "web", "v1")
    wait_until(lambda: "| begun" in daemon.do("logs", "web"), "its output is read", 10)


def test_host_network_and_ports_of_the_loopback(make_daemon):
    daemon = make_daemon(services={
        "host": shop(network_mode="host", route={"host": "host.example"},
                     command="exec httpd -f -p 127.0.0.1:$PORT -h /www"),
        "web": shop(network_mode="loopback")}).start()
    for service in ("host", "web"):
        daemon.do("deploy", service, "v1")
        daemon.do("deploy", service, "v2")
        addresses = {instance["address"].split(":")[0] for instance in daemon.slot(name=service)["instances"]}
        assert addresses == {"127.0.0.1"}
    assert daemon.version() == (200, "v2")


def test_a_release_keeps_its_image_when_the_tag_moves(make_daemon, engine):
    engine.docker("tag", "shop:v1", "shop:moving")
    daemon = make_daemon(services={"web": shop(replicas=1)}).start()
    daemon.do("deploy", "web", "moving")
    engine.docker("tag", "shop:v2", "shop:moving")
    engine.docker("kill", *daemon.running())
    wait_until(lambda: "killed by signal 9" in daemon.do("events", "web"), "its end is told", 10)
    wait_until(lambda: daemon.healthy() == 1, "it is back", 30)
    assert daemon.version() == (200, "v1")
    daemon.do("deploy", "web", "moving")
    assert daemon.version() == (200, "v2")


def test_a_controller_that_is_killed_finds_its_containers(make_daemon):
    daemon = make_daemon().start()
    daemon.do("deploy", "web", "v1")
    before = daemon.containers("--no-trunc", "--filter", "status=running")
    with Visitors(daemon) as visitors:
        os.kill(daemon.pid("controller"), signal.SIGKILL)
        daemon.wait_ready()
        daemon.do("deploy", "web", "v2")
    assert visitors.failed == []
    assert before <= daemon.containers()
    daemon.settled_containers()


def test_a_stopped_daemon_leaves_nothing_running_and_comes_back(make_daemon):
    daemon = make_daemon().start()
    daemon.do("deploy", "web", "v1")
    daemon.stop()
    assert daemon.running() == set()
    daemon.start()
    wait_until(lambda: daemon.healthy() == 2, "its instances are back", 30)
    assert daemon.version() == (200, "v1")
    daemon.settled_containers()
