# SPDX-License-Identifier: Apache-2.0
"""The access log of a running proxy: every request is in it, and none waits for it."""
import json
import os
import socket

import pytest

from dataplane import Proxy, ask, eventually, log_lines
from origins import FastOrigin, Origin, answering


@pytest.fixture
def proxy():
    with Proxy(workers=2) as proxy, Origin(answering(b"hello")) as origin:
        proxy.begin(proxy.service_lines("web", {"blue": [origin.address]}))
        proxy.expect("ready")
        yield proxy


def test_a_request_leaves_a_line_with_what_became_of_it(proxy, tmp_path):
    proxy.log_to(tmp_path / "log")
    with socket.create_connection(("127.0.0.1", proxy.port)) as client:
        assert ask(client, "/a?b", headers=["User-Agent: test", "X-Request-Id: mine"])[0] == 200
    with socket.create_connection(("127.0.0.1", proxy.port)) as client:
        client.sendall(b"NONSENSE\r\n\r\n")
        assert b" 400 " in client.recv(9999)
    good, bad = sorted(map(json.loads, log_lines(tmp_path / "log", 2)), key=lambda line: line["status"])
    assert good["target"] == "/a?b" and good["method"] == "GET" and good["client"] == "127.0.0.1"
    assert good["service"] == "web" and good["slot"] == "blue" and good["tries"] == 1 and good["whole"]
    assert good["user_agent"] == "test" and good["request_id"] == "mine" and good["bytes_out"] == 5
    assert 0 < good["answer_ms"] <= good["duration_ms"]
    assert bad["reason"] == "bad-request" and "service" not in bad


def test_without_a_file_nothing_is_written_and_a_new_one_is_taken_at_once(proxy, tmp_path):
    def request(path):
        with socket.create_connection(("127.0.0.1", proxy.port)) as client:
            assert ask(client, path)[0] == 200

    def lines(name):
        return (tmp_path / name).read_text().splitlines()

    def taken(name, target):
        """What comes while a file is replaced may still go to the one before."""
        def written():
            request(target)
            return lines(name)
        return eventually(written)[0]

    proxy.log_to(tmp_path / "one")
    request("/1")
    log_lines(tmp_path / "one", 1)
    proxy.log_to(tmp_path / "two", "format=combined addresses=anonymous")
    assert taken("two", "/2").startswith("127.0.0.0 - - [")
    proxy.say("access-log format=json addresses=full")
    proxy.ping()
    request("/3")
    proxy.log_to(tmp_path / "four")
    assert json.loads(taken("four", "/4"))["target"] == "/4"
    assert "/3" not in "".join(lines("one") + lines("two") + lines("four"))


def test_no_request_waits_for_a_log_that_nobody_reads(tmp_path):
    with Proxy(workers=1) as proxy, FastOrigin("v1") as origin:
        proxy.begin(proxy.service_lines("web", {"blue": [origin.address]}))
        proxy.expect("ready")
        reader, writer = os.pipe()
        os.set_blocking(writer, False)
        with open(writer, "wb", buffering=0) as file:
            proxy.say("access-log format=json addresses=full", [file])
        with socket.create_connection(("127.0.0.1", proxy.port)) as client:
            agent = ["User-Agent: " + "x" * 1000, "Referer: " + "y" * 1000]
            for _ in range(1000):  # more than the pipe and the worker's ring hold
                assert ask(client, headers=agent)[0] == 200
        proxy.ping()
        assert proxy.shard_total("access_dropped") > 0
        os.close(reader)
