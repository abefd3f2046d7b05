# SPDX-License-Identifier: Apache-2.0
"""libbascule as somebody else's program meets it: installed, found by pkg-config, linked, run."""
import functools
import http.server
import json
import os
import re
import shlex
import subprocess
import threading
import urllib.request
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
BUILD = Path(os.environ.get("BASCULE_BUILD", ROOT / "build"))
HEADER = ROOT / "include" / "bascule" / "deployer.h"


def call(*words, **more):
    done = subprocess.run([str(word) for word in words], capture_output=True, text=True, timeout=120, **more)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def sanitizer():
    """What the library was built with, its users need, too."""
    options = json.loads(call("meson", "introspect", "--buildoptions", BUILD))
    (chosen,) = [one["value"] for one in options if one["name"] == "b_sanitize"]
    return [] if chosen == "none" else [f"-fsanitize={chosen}"]


class Installed:
    def __init__(self, folder):
        call("meson", "install", "-C", BUILD, "--no-rebuild", "--destdir", folder)
        (package,) = folder.rglob("bascule.pc")
        self.libraries = package.parents[1]
        self.environment = {**os.environ, "PKG_CONFIG_LIBDIR": str(package.parent),
                            "PKG_CONFIG_SYSROOT_DIR": str(folder), "LD_LIBRARY_PATH": str(self.libraries),
                            "UBSAN_OPTIONS": "halt_on_error=1"}  # a user's program knows no better

    def flags(self, *words):
        return shlex.split(call("pkg-config", *words, "bascule", env=self.environment))

    def build(self, compiler, source, program, libraries=None):
        call(*compiler, *sanitizer(), "-Wall", "-Wextra", "-Werror", "-pedantic", *self.flags("--cflags"), source,
             *(libraries or self.flags("--libs")), "-o", program)


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    return Installed(tmp_path_factory.mktemp("installed"))


@pytest.fixture
def site(tmp_path):
    """A web server over a site with three releases, the last one of which lacks a page."""
    root = tmp_path / "site"
    for version in ("v0", "v1", "v2", "v3"):
        folder = root / "releases" / version
        folder.mkdir(parents=True)
        (folder / "index.html").write_text(version)
        if version != "v3":
            (folder / "about.html").write_text("about " + version)
    (root / "blue").symlink_to("releases/v0")
    (root / "current").symlink_to("blue")

    class Handler(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *words):
            pass
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Handler, directory=root))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield root, server.server_address[1]
    server.shutdown()
    server.server_close()


class SiteDeploy:
    def __init__(self, installed, program, root, port):
        self.process = subprocess.Popen([program, root, "127.0.0.1", str(port), "/", "/about.html"],
                                        env=installed.environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        text=True)
        self.port = port

    def run(self, command):
        """Its answer; the last line is the result."""
        self.process.stdin.write(command + "\n")
        self.process.stdin.flush()
        lines = []
        while not lines or not lines[-1].startswith(command.split()[0] + ": "):
            line = self.process.stdout.readline()
            assert line, lines
            lines.append(line.rstrip("\n"))
        return lines

    def served(self):
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/current/", timeout=10) as answer:
            return answer.read().decode()

    def end(self):
        self.process.stdin.close()
        try:
            return self.process.wait(20)
        finally:
            self.process.kill()
            self.process.wait()
            self.process.stdout.close()


def release_a_site(deploy):
    assert deploy.served() == "v0"
    assert deploy.run("deploy v1") == ["deploy: ok"]
    assert deploy.served() == "v0"
    assert deploy.run("switch")[-1].startswith("switch: invalid-state: ")
    assert deploy.run("check") == ["pass /: HTTP/1.0 200", "pass /about.html: HTTP/1.0 200", "check: ok"]
    assert deploy.run("switch") == ["switch: ok"]
    assert deploy.served() == "v1"
    assert deploy.run("release v2") == ["release: ok"]
    assert deploy.served() == "v2"
    assert deploy.run("rollback") == ["rollback: ok"]
    assert deploy.served() == "v1"
    assert deploy.run("release v3") == ["release: health-check-failed: blue: 1 of 2 health checks passed"]
    assert deploy.run("release v4")[-1].startswith("release: deploy-failed: ")
    assert deploy.served() == "v1"
    assert deploy.run("status") == ["blue  failed    v4", "green live      v1", "status: ok"]
    assert deploy.run("cleanup") == ["cleanup: ok"]
    assert deploy.run("rollback")[-1].startswith("rollback: rollback-failed: ")
    assert [line.split()[1:] for line in deploy.run("history")[:-1]] == [
        ["green", "replaced", "v1"], ["blue", "rolled-back", "v2"], ["green", "live", "v1"],
        ["blue", "failed", "v3"], ["blue", "failed", "v4"]]
    assert deploy.run("deplyo v5")[-1].startswith("deplyo: invalid-argument: ")
    assert deploy.end() == 1


@pytest.mark.parametrize("linked", ["shared", "static"])
def test_the_example_is_built_with_pkg_config_and_releases_a_site(installed, site, tmp_path, linked):
    program = tmp_path / "site-deploy"
    libraries = [installed.libraries / "libbascule.a", "-pthread"] if linked == "static" else None
    installed.build(["cc", "-D_DEFAULT_SOURCE", "-std=c17"], ROOT / "examples/library/site_deploy.c", program, libraries)
    deploy = SiteDeploy(installed, program, *site)
    try:
        release_a_site(deploy)
    finally:
        deploy.process.kill()
        deploy.process.wait()


def test_a_cpp_program_uses_the_header(installed, tmp_path):
    source = tmp_path / "user.cpp"
    source.write_text("""\
#include <bascule/deployer.h>
static void check(void *, bascule_environment, int64_t, bascule_check_result *out) { out->passed = 1; }
static bool switch_to(void *, bascule_environment, int64_t, char *, size_t) { return true; }
static int64_t now_ms(void *) { return 1; }
int main()
{
    bascule_deployer_ports ports = {};
    ports.check = check;
    ports.switch_to = switch_to;
    ports.now_ms = now_ms;
    bascule_deployer *deployer = bascule_deployer_create(&ports, nullptr);
    bascule_result result = bascule_deploy_and_switch(deployer, "v1", nullptr, 1, nullptr);
    bool live = bascule_live_environment(deployer) == BASCULE_GREEN;
    bascule_deployer_destroy(deployer);
    return result == BASCULE_OK && live ? 0 : 1;
}
""")
    installed.build(["c++", "-std=c++17"], source, tmp_path / "user")
    call(tmp_path / "user", env=installed.environment)


def test_the_library_shows_what_the_header_declares_and_nothing_else(installed):
    shown = {line.split()[-1] for line in
             call("nm", "-D", "--defined-only", installed.libraries / "libbascule.so").splitlines()}
    code = re.sub(r"/\*.*?\*/", "", HEADER.read_text(), flags=re.S)
    declared = set(re.findall(r"\b(bascule_\w+)\s*\(", code))
    assert shown == declared


def test_the_page_of_the_library_names_every_function_and_error():
    page = (ROOT / "docs" / "library.md").read_text()
    code = re.sub(r"/\*.*?\*/", "", HEADER.read_text(), flags=re.S)
    errors = re.search(r"enum bascule_result \{(.*?)\}", code, flags=re.S)[1]
    names = re.findall(r"\b(bascule_\w+)\s*\(", code) + re.findall(r"BASCULE_\w+", errors)
    assert [name for name in names if f"`{name}" not in page] == []
