# SPDX-License-Identifier: Apache-2.0
"""A real client and a real server of gRPC, with the proxy between them."""
from concurrent import futures

import pytest

grpc = pytest.importorskip("grpc", reason="python3-grpcio is not installed")

from dataplane import PATIENCE_S, Proxy  # noqa: E402


def fail(request, context):
    context.abort(grpc.StatusCode.NOT_FOUND, "no such thing")


def unary(request, context):
    context.set_trailing_metadata((("x-trailer", "yes"),))
    return b"got " + request


class Handler(grpc.GenericRpcHandler):
    methods = {
        "/t.T/Unary": grpc.unary_unary_rpc_method_handler(unary),
        "/t.T/Count": grpc.unary_stream_rpc_method_handler(
            lambda request, context: (b"%d" % i for i in range(int(request)))),
        "/t.T/Sum": grpc.stream_unary_rpc_method_handler(
            lambda requests, context: b"%d" % sum(int(r) for r in requests)),
        "/t.T/Echo": grpc.stream_stream_rpc_method_handler(
            lambda requests, context: (b"got " + r for r in requests)),
        "/t.T/Fail": grpc.unary_unary_rpc_method_handler(fail),
    }

    def service(self, details):
        return self.methods.get(details.method)


@pytest.fixture(scope="module")
def world():
    server = grpc.server(futures.ThreadPoolExecutor(8))
    server.add_generic_rpc_handlers((Handler(),))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    with Proxy() as proxy:
        proxy.protocols["calls"] = "h2"
        proxy.route("calls", {"blue": [f"127.0.0.1:{port}"]})
        with grpc.insecure_channel(f"127.0.0.1:{proxy.port}") as channel:
            yield channel, server, proxy
        server.stop(0)


def test_calls_of_all_four_kinds(world):
    channel = world[0]
    answer, call = channel.unary_unary("/t.T/Unary").with_call(b"it", timeout=PATIENCE_S)
    assert answer == b"got it" and ("x-trailer", "yes") in call.trailing_metadata()
    assert len(list(channel.unary_stream("/t.T/Count")(b"3000", timeout=PATIENCE_S))) == 3000
    numbers = (b"%d" % i for i in range(1000))
    assert channel.stream_unary("/t.T/Sum")(numbers, timeout=PATIENCE_S) == b"499500"
    echo = channel.stream_stream("/t.T/Echo")(iter([b"1", b"2"]), timeout=PATIENCE_S)
    assert list(echo) == [b"got 1", b"got 2"]


def test_messages_larger_than_any_window(world):
    call = world[0].unary_unary("/t.T/Unary")
    message = bytes(range(256)) * 8000
    assert call(message, timeout=PATIENCE_S) == b"got " + message


def test_hundreds_of_calls_at_once(world):
    call = world[0].unary_unary("/t.T/Unary")
    calls = [call.future(b"%d" % i, timeout=PATIENCE_S) for i in range(300)]
    assert [c.result() for c in calls] == [b"got %d" % i for i in range(300)]


def test_errors_of_the_service_are_its_own(world):
    with pytest.raises(grpc.RpcError) as error:
        world[0].unary_unary("/t.T/Fail")(b"", timeout=PATIENCE_S)
    assert error.value.code() == grpc.StatusCode.NOT_FOUND
    assert error.value.details() == "no such thing"


def test_errors_of_the_proxy_are_understood(world):
    channel, server, proxy = world
    server.stop(None).wait()
    with pytest.raises(grpc.RpcError) as error:
        channel.unary_unary("/t.T/Unary")(b"", timeout=PATIENCE_S)
    assert error.value.code() == grpc.StatusCode.UNAVAILABLE
    assert error.value.details().startswith("bascule: ")
    assert proxy.cell("calls", "blue")["errors"] == 1
