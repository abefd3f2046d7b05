# SPDX-License-Identifier: Apache-2.0
"""Every example is deployed for real, from its own bascule.yaml: v1, v2, and back, while users are there."""
import http.client
import os
import shutil

import pytest

from daemon import ROOT, wait_until
from load import Client
from programs import program


def get(daemon, path):
    connection = http.client.HTTPConnection("127.0.0.1", daemon.port, timeout=60)
    try:
        connection.request("GET", path)
        return connection.getresponse().read().decode()
    finally:
        connection.close()


@pytest.fixture
def example(make_daemon):
    """A copy of the example with ports of its own; started."""
    def start(name, programs=()):
        daemon = make_daemon()
        folder = daemon.folder / name
        shutil.copytree(ROOT / "examples" / name, folder)
        text = (folder / "bascule.yaml").read_text()
        assert "127.0.0.1:8080" in text
        daemon.file = folder / "bascule.yaml"
        daemon.file.write_text(text.replace("127.0.0.1:8080", f"127.0.0.1:{daemon.port}") + f"\nports: {daemon.ports}\n")
        tools = daemon.folder / "tools"
        tools.mkdir()
        for tool in programs:
            (tools / tool).symlink_to(program(tool))
        path = os.environ["PATH"]
        environment = daemon.environment()
        daemon.environment = lambda: {**environment, "BASCULE_CONFIG": str(daemon.file), "PATH": f"{tools}:{path}",
                                      "TMPDIR": str(daemon.folder)}
        return daemon.start()
    return start


def there_and_back(daemon, service, path, told, host=None):
    """`told`: what v1 and v2 say of themselves under `path`, however many times they are asked."""
    daemon.do("deploy", service, "v1")
    assert told("v1") in get(daemon, path)
    with Client(daemon.port, threads=4, path=path, host=host) as client:
        daemon.do("deploy", service, "v2", "--bake", "0s")
        assert told("v2") in get(daemon, path)
        daemon.do("rollback", service)
        assert told("v1") in get(daemon, path)
    assert client.failed() == [] and len(client.answers) > 10
    assert [(record["version"], record["status"]) for record in daemon.records(service)] == [
        ("v1", "replaced"), ("v2", "rolled-back"), ("v1", "live")]


def order(daemon):
    connection = http.client.HTTPConnection("127.0.0.1", daemon.port, timeout=60)
    try:
        connection.request("POST", "/api/orders", "a lamp")
        return connection.getresponse().status
    finally:
        connection.close()


def test_shop_there_and_back_together(example):
    daemon = example("shop")
    shipped = []

    def ordered_is_shipped(version, carrier):
        assert order(daemon) == 202
        shipped.append(f"taken by {version}, shipped by {version} with {carrier}")
        wait_until(lambda: sorted(get(daemon, "/api/orders").splitlines()) == sorted(["0 waiting", *shipped]),
                   "the order is shipped")
    daemon.do("deploy", "--release", "shop", "v1", "--bake", "0s")
    ordered_is_shipped("v1", "the post")
    with Client(daemon.port) as page, Client(daemon.port, path="/api/orders") as orders:
        daemon.do("deploy", "--release", "shop", "v2", "--bake", "0s")
        ordered_is_shipped("v2", "a bicycle")
        daemon.do("rollback", "--release", "shop")
        ordered_is_shipped("v1", "the post")
    assert page.failed() == [] and orders.failed() == []
    assert "version 1" in get(daemon, "/")
    for service in ("web", "api", "jobs"):
        assert [record["version"] for record in daemon.records(service)] == ["v1", "v2", "v1"]


def test_hello_there_and_back(example):
    there_and_back(example("hello"), "web", "/", lambda version: version)


def test_site_there_and_back_by_nginx(example):
    daemon = example("site", ["nginx"])
    there_and_back(daemon, "site", "/", lambda version: f"This is version {version[1:]}.")
    daemon.do("cleanup", "site")
    daemon.do("deploy", "site", "v2", "--stage")
    connection = http.client.HTTPConnection("127.0.0.1", daemon.port, timeout=60)
    connection.request("GET", "/", headers={"Host": f"preview.localhost:{daemon.port}"})
    assert "This is version 2." in connection.getresponse().read().decode()
    connection.close()
    assert "This is version 1." in get(daemon, "/")
    daemon.stop()
    assert not list(daemon.folder.glob("site-*.*")), "its temporary folders are gone"


def test_prometheus_there_and_back(example):
    daemon = example("prometheus", ["prometheus"])
    texts = {version: (ROOT / f"examples/prometheus/releases/{version}/prometheus.yml").read_text()
             for version in ("v1", "v2")}
    assert texts["v1"] != texts["v2"]

    def told(version):
        interval = texts[version].split("scrape_interval: ")[1].split()[0]
        return f"scrape_interval: {interval}"
    there_and_back(daemon, "prometheus", "/api/v1/status/config", told)
