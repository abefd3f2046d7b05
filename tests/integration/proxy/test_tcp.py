# SPDX-License-Identifier: Apache-2.0
"""TCP services: a connection that comes in at their address is switched as a whole."""
import itertools
import json
import select
import socket
import struct

import pytest
from dataplane import eventually, listening_sockets, log_lines
from wire import Origin, Peer

numbers = itertools.count(1)


class Port:
    """A TCP service with an address of its own."""

    def __init__(self, proxy):
        self.proxy, self.name = proxy, f"tcp{next(numbers)}"
        sockets, port = listening_sockets(1)
        self.address, self.target = f"127.0.0.1:{port}", ("127.0.0.1", port)
        self.clients, self.slots = [], {}
        proxy.tell(listener={"address": self.address, "service": self.name})
        proxy.say(f"listen address={self.address} shared=0", sockets)
        for s in sockets:
            s.close()

    def serve(self, weights=None, **options):
        """The service with `slots`, and no route at all."""
        service, instances, splits = self.proxy.service_lines(self.name, self.slots, weights,
                                                              **options)
        service["service"]["routes"] = []
        for line in (service, instances, splits):
            self.proxy.tell(**line)
        return self

    def mode(self, traffic):
        self.proxy.tell(service={"name": self.name, "routes": [], "traffic": traffic})

    def client(self, source="127.0.0.1"):
        s = socket.create_connection(self.target, 20, source_address=(source, 0))
        client = Peer(s)
        self.clients.append(client)
        return client

    def resets(self):
        """True when a new connection is reset, which connect() may see already."""
        try:
            return self.client().rest() == (b"", True)
        except ConnectionResetError:
            return True

    def counted(self, slot="blue", **expected):
        def equal():
            cell = self.proxy.cell(self.name, slot)
            return all(cell[name] == value for name, value in expected.items())
        eventually(equal, what=f"counted {expected}")


@pytest.fixture
def origins():
    with Origin() as blue, Origin() as green:
        yield blue, green


@pytest.fixture
def port(proxy, origins):
    port = Port(proxy)
    port.slots = {"blue": [origins[0].address], "green": [origins[1].address]}
    yield port.serve()
    for client in port.clients:
        client.reset()
    proxy.tell(remove={"service": port.name})
    proxy.tell(**{"remove-listener": {"address": port.address}})
    proxy.say(f"unlisten address={port.address}")


def closed_address():
    s = socket.socket()
    s.bind(("127.0.0.1", 0))
    return s, "127.0.0.1:%d" % s.getsockname()[1]  # bound, and nobody listens


def test_bytes_pass_both_ways_and_either_may_begin(port, origins):
    first, second = port.client(), port.client()
    up = origins[0].accept()
    up.send(b"220 ready\n")
    assert first.until(b"\n") == b"220 ready\n"
    other = origins[0].accept()
    second.send(b"\x00\xff not a request")
    assert other.until(b"request") == b"\x00\xff not a request"
    other.send(b"HTTP/1.1 101 nothing\r\n\r\n")
    assert second.head() == b"HTTP/1.1 101 nothing\r\n\r\n"


def test_each_half_closes_by_itself(port, origins):
    client = port.client()
    up = origins[0].accept()
    client.send(b"all of it").finish()
    assert up.rest() == (b"all of it", False)
    up.send(b"and the answer").finish()
    assert client.rest() == (b"and the answer", False)
    port.counted(claimed=1, requests=1, errors=0, s2=1, client_left=0, bytes_in=9, bytes_out=14)


def test_a_large_transfer_is_whole(port, origins):
    data = bytes(range(256)) * 40960  # 10 MiB, more than all buffers between
    client = port.client()
    up = origins[0].accept()
    up.sock.setblocking(False)
    client.sock.setblocking(False)
    sent, got = 0, bytearray()
    while len(got) < len(data):
        readable, writable, _ = select.select([up.sock], [client.sock] if sent < len(data) else [],
                                              [], 20)
        assert readable or writable
        if writable:
            sent += client.sock.send(data[sent:sent + 262144])
        if readable:
            got += up.sock.recv(262144)
    assert got == data


def test_a_reset_is_passed_on_as_a_reset(port, origins):
    client = port.client()
    up = origins[0].accept()
    client.send(b"half of ")
    assert up.exact(8)
    client.reset()
    assert up.rest() == (b"", True)  # not an end: it would look complete
    port.counted(requests=1, errors=0, client_left=1)
    client = port.client()
    up = origins[0].accept()
    up.send(b"half of ")
    assert client.exact(8)
    up.reset()
    assert client.rest() == (b"", True)
    port.counted(requests=2, errors=1, reset=1, client_left=1)


def test_a_switch_moves_new_connections_and_leaves_the_others(proxy, port, origins):
    client = port.client().send(b"1")
    old = origins[0].accept()
    assert old.exact(1) == b"1"
    proxy.switch(port.name, "green")
    later = port.client().send(b"2")
    assert origins[1].accept().exact(1) == b"2"
    old.send(b"still here")
    assert client.exact(10) == b"still here"
    assert proxy.gauge(port.name, "blue", port.slots["blue"][0]) == (1, 0)  # a drain waits for it
    client.finish()
    old.finish()
    assert old.ended() and client.ended()
    assert proxy.gauge(port.name, "blue", port.slots["blue"][0]) == (1, 1)
    assert later.quiet()


def test_a_refused_connection_is_made_to_another_instance(port, origins):
    closed, address = closed_address()
    with closed:
        port.slots = {"blue": [address, origins[0].address]}
        port.serve()
        for _ in range(2):
            client = port.client().send(b"x")
            assert origins[0].accept().exact(1) == b"x"
            client.finish()
        assert port.proxy.cell(port.name, "blue")["retries"] == 1


def test_without_an_instance_the_connection_is_reset_and_counted(port):
    closed, address = closed_address()
    with closed:
        port.slots = {"blue": [address]}
        port.serve()
        assert port.resets()
        port.counted(requests=1, errors=1, connect_failed=1, s5=1)
    port.slots = {"blue": []}
    port.serve()
    assert port.resets()
    port.counted(requests=2, errors=2, no_instance=1)


def test_an_instance_that_does_not_accept_is_given_up_in_time(port):
    full = socket.socket()
    full.bind(("127.0.0.1", 0))
    full.listen(0)
    waiting = [socket.socket() for _ in range(3)]
    for s in waiting:  # nobody accepts: the queue is full
        s.setblocking(False)
        s.connect_ex(full.getsockname())
    port.slots = {"blue": ["127.0.0.1:%d" % full.getsockname()[1]]}
    port.serve(connect_ms=200)
    assert port.resets()
    port.counted(requests=1, errors=1, connect_failed=1)
    for s in [full, *waiting]:
        s.close()


def test_held_connections_wait_and_go_where_the_split_says_then(proxy, port, origins):
    port.mode("hold")
    client = port.client().send(b"early")
    assert origins[0].untouched()
    proxy.switch(port.name, "green")
    port.mode("serve")
    assert origins[1].accept().exact(5) == b"early"
    assert client.quiet()


def test_a_held_connection_that_leaves_frees_its_place(proxy, port):
    port.mode("hold")
    before = proxy.shard_total("held")
    client = port.client()
    eventually(lambda: proxy.shard_total("held") == before + 1)
    client.finish()
    eventually(lambda: proxy.shard_total("held") == before)


@pytest.mark.parametrize("mode", ["maintenance", "stop"])
def test_in_other_modes_connections_are_closed_and_charged_to_nobody(port, origins, mode):
    port.mode(mode)
    assert port.resets()
    assert origins[0].untouched()
    port.counted(claimed=0, requests=0)


def test_with_affinity_a_client_stays_in_its_slot(port, origins):
    port.serve(weights={"blue": 5000, "green": 5000}, identity={"by": "client", "sticky": True})
    where = {}
    for last in list(range(2, 18)) * 2:
        client = port.client(f"127.0.0.{last}").send(struct.pack("B", last))
        ready = select.select([o.sock for o in origins], [], [], 20)[0]
        origin = next(o for o in origins if o.sock in ready)
        up = origin.accept()
        assert up.exact(1) == struct.pack("B", last)
        assert where.setdefault(last, origin) is origin
        client.reset()
    assert len(set(where.values())) == 2


def test_the_proxy_protocol_in_and_out(proxy, port, origins):
    proxy.tell(listener={"address": port.address, "service": port.name, "proxy_protocol": True})
    port.serve(edge={"proxy_protocol": 1})
    client = port.client()
    client.send(b"PROXY TCP4 192.0.2.7 198.51.100.1 5000 80\r\nhello")
    up = origins[0].accept()
    assert up.until(b"\r\n").startswith(b"PROXY TCP4 192.0.2.7 ")
    assert up.exact(5) == b"hello"
    assert port.client().send(b"hello, this is nobody").rest() == (b"", True)
    assert origins[0].untouched()


def test_an_address_without_its_service_closes_connections(proxy, port):
    proxy.tell(remove={"service": port.name})
    assert port.resets()
    port.serve()


def test_a_silent_connection_is_closed_and_nobody_is_blamed(port, origins, options):
    options(tunnel_ms=300)
    client = port.client()
    up = origins[0].accept()
    assert client.rest()[0] == b"" and up.rest()[0] == b""
    port.counted(requests=1, errors=0, timed_out=0)


@pytest.fixture
def log(proxy, tmp_path):
    path = tmp_path / "log"
    proxy.log_to(path)
    yield lambda count: [json.loads(line) for line in log_lines(path, count)]
    proxy.say("access-log format=json addresses=full")


def test_a_connection_is_a_line_of_the_access_log_when_it_has_ended(proxy, port, origins, log):
    client = port.client()
    up = origins[0].accept()
    client.send(b"all of it").finish()
    assert up.rest() == (b"all of it", False)
    proxy.ping()
    up.send(b"and the answer").finish()
    assert client.rest() == (b"and the answer", False)
    line, = log(1)
    assert line["protocol"] == "TCP" and line["client"] == "127.0.0.1" and line["status"] == 200 and line["whole"]
    assert (line["bytes_in"], line["bytes_out"]) == (9, 14)
    assert (line["service"], line["slot"], line["tries"]) == (port.name, "blue", 1)
    assert line["instance"].startswith(port.name) and 0 < line["answer_ms"] <= line["duration_ms"]
    assert not {"reason", "method", "host", "target", "rescued"} & line.keys()


def test_the_line_of_a_connection_says_how_it_ended(port, origins, log, options):
    def open_one():
        client, up = port.client(), origins[0].accept()
        up.send(b"half")
        assert client.exact(4) == b"half"
        return client, up

    open_one()[0].reset()
    assert (log(1)[-1]["reason"], log(1)[-1]["whole"], log(1)[-1]["bytes_out"]) == ("client-left", False, 4)
    client, up = open_one()
    up.reset()
    assert client.rest() == (b"", True)
    assert (log(2)[-1]["reason"], log(2)[-1]["status"]) == ("upstream-reset", 200)
    options(tunnel_ms=300)
    client, up = open_one()
    assert client.rest()[0] == b""
    assert log(3)[-1]["reason"] == "idle-timeout"
    held, address = closed_address()
    port.slots = {"blue": [address]}
    port.serve()
    assert port.resets()
    line = log(4)[-1]
    held.close()
    assert (line["reason"], line["status"], line["bytes_in"]) == ("connect-failed", 502, 0) and line["tries"] == 3
