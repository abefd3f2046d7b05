# SPDX-License-Identifier: Apache-2.0
"""Images that come from a registry: fetched, with a login, by digest, and refused."""
import base64
import json
import subprocess

import pytest

from containers import shop
from registry import Registry


@pytest.fixture
def make_registry(engine):
    made = []

    def make(login=None):
        saved = subprocess.run(["docker", "save", "shop:v1"], check=True, capture_output=True,
                               env={"PATH": "/usr/local/bin:/usr/bin:/bin",
                                    "DOCKER_HOST": f"unix://{engine.socket}"}).stdout
        made.append(Registry(saved, "v1", login))
        return made[-1]
    yield make
    for registry in made:
        registry.close()


def web(registry, name="shop:${VERSION}"):
    return {"web": shop(image=f"{registry.host}/{name}", pull_policy="missing", replicas=2)}


def test_an_image_is_fetched_once_and_kept_by_its_digest(make_daemon, make_registry, engine):
    registry = make_registry()
    daemon = make_daemon(services=web(registry)).start()
    daemon.do("deploy", "web", "v1")
    assert daemon.version() == (200, "v1")
    assert registry.pulls == 1
    images = engine.docker("inspect", "--format", "{{.Config.Image}}", *daemon.running()).split()
    assert set(images) == {f"{registry.host}/shop@{registry.digest}"}


def test_a_registry_that_wants_a_login_is_named_and_then_given_one(make_daemon, make_registry):
    registry = make_registry(login="ada:secret-word")
    daemon = make_daemon(services=web(registry)).start()
    done = daemon.run("deploy", "web", "v1")
    assert done.returncode == 1
    assert f"pull {registry.host}/shop:v1" in done.stdout + done.stderr
    (daemon.folder / "config.json").write_text(json.dumps({"auths": {registry.host: {
        "auth": base64.b64encode(b"ada:secret-word").decode()}}}))
    daemon.do("deploy", "web", "v1")
    assert daemon.version() == (200, "v1")
    assert "secret-word" not in daemon.log.read_text()


def test_a_digest_that_nobody_has_fails_the_deploy(make_daemon, make_registry):
    registry = make_registry()
    daemon = make_daemon(services=web(registry, "shop@sha256:" + "0" * 64)).start()
    done = daemon.run("deploy", "web", "v1")
    assert done.returncode == 1
    assert f"pull {registry.host}/shop@sha256:000" in done.stdout + done.stderr
    assert daemon.containers() == set()
