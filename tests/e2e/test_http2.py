# SPDX-License-Identifier: Apache-2.0
"""A service of gRPC, deployed from bascule.yaml: called while its versions change and the proxy is replaced."""
import sys
import threading
import time

import pytest

grpc = pytest.importorskip("grpc", reason="python3-grpcio is not installed")

from daemon import Daemon  # noqa: E402

SERVER = """
import os, signal
import grpc
from concurrent import futures

class Handler(grpc.GenericRpcHandler):
    def service(self, details):
        return grpc.unary_unary_rpc_method_handler(lambda request, context: os.environ["APP_VERSION"].encode())

server = grpc.server(futures.ThreadPoolExecutor(4))
server.add_generic_rpc_handlers((Handler(),))
assert server.add_insecure_port("127.0.0.1:" + os.environ["PORT"])
server.start()
signal.signal(signal.SIGTERM, lambda *_: server.stop(5))
server.wait_for_termination()
"""


def test_calls_go_on_while_versions_and_the_proxy_change():
    with Daemon() as daemon:
        program = daemon.folder / "server.py"
        program.write_text(SERVER)
        web = {"command": [sys.executable, str(program)], "environment": {"APP_VERSION": "${VERSION}"},
               "protocol": "h2", "route": {"path": "/"}, "deploy": {"bake": "0s"},
               "health": {"tcp": True, "interval": "200ms", "rise": 1}, "replicas": 2}
        daemon.services["web"] = web
        daemon.configure()
        daemon.start()
        daemon.do("deploy", "web", "v1")
        failures, versions, over = [], set(), threading.Event()

        def call_on():
            with grpc.insecure_channel(f"127.0.0.1:{daemon.port}") as channel:
                call = channel.unary_unary("/t.T/Version")
                while not over.is_set():
                    try:
                        versions.add(call(b"", timeout=20))
                    except grpc.RpcError as error:
                        failures.append((error.code(), error.details()))
                    time.sleep(0.002)

        callers = [threading.Thread(target=call_on) for _ in range(4)]
        for caller in callers:
            caller.start()
        try:
            daemon.do("deploy", "web", "v2")
            daemon.do("upgrade")
            daemon.do("rollback", "web")
        finally:
            over.set()
            for caller in callers:
                caller.join()
        assert not failures, failures[:5]
        assert versions == {b"v1", b"v2"}
