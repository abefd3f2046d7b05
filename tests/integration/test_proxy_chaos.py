# SPDX-License-Identifier: Apache-2.0
"""Clients and applications that do everything wrong at random; the books must balance after it."""
import os
import random
import socket
import struct
import threading
import time

from dataplane import Proxy, eventually, read_answer
from origins import Origin

SECONDS = 4


def misbehaving(seed):
    rng = random.Random(seed)

    def serve(connection):
        while connection.read_head():
            kind = rng.random()
            if kind < 0.05:
                return connection.reset()
            if kind < 0.1:
                return None  # closes unanswered
            if kind < 0.15:
                connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nshort")
                return connection.reset() if rng.random() < 0.5 else None
            if kind < 0.2:
                connection.send(b"HTTP/1.1 200 OK\r\n\r\nuntil close")
                return None
            if kind < 0.25:
                connection.answer(b"before the body was read", "403 Forbidden")
                return None
            if kind < 0.28:
                connection.send(b"garbage\n\n\r\n\r\n")
                return None
            connection.read_body()
            if connection.field("Upgrade") and kind < 0.8:
                connection.send(b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\n"
                                b"Upgrade: x\r\n\r\n")
                while data := connection.sock.recv(4096):
                    connection.send(data)
                return None
            if kind < 0.35:
                time.sleep(0.05)
            if kind < 0.6:
                connection.answer(b"x" * rng.choice([0, 1, 100, 20_000, 200_000]))
            elif kind < 0.7:
                connection.send(b"HTTP/1.1 103 Early Hints\r\n\r\n" * rng.randrange(1, 4))
                connection.answer()
            elif kind < 0.75:
                connection.answer(b"and more")
                connection.send(b"unasked")
            else:
                connection.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
                                + b"5\r\nhello\r\n" * rng.randrange(0, 2000) + b"0\r\n\r\n")
    return serve


REQUESTS = [
    b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", b"HEAD / HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET / HTTP/1.0\r\n\r\n", b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello",
    b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 90000\r\n\r\n" + b"x" * 90000,
    b"PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
    b"PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhelloX",
    b"GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\nhello",
    b"GET /nowhere HTTP/1.1\r\nHost: elsewhere\r\n\r\n", b"GET / HTTP/1.1\r\n\r\n",
    b"GET /../ HTTP/1.1\r\nHost: a\r\n\r\n", b"nonsense\r\n\r\n",
]


def misbehave(proxy, seed, end):
    rng = random.Random(seed)
    while time.monotonic() < end:
        try:
            with proxy.connect(timeout=rng.choice([0.05, 0.2, 1])) as s:
                for _ in range(rng.randrange(1, 5)):
                    data = b"".join(rng.choices(REQUESTS, k=rng.choice([1, 1, 1, 3])))
                    cut = rng.randrange(len(data) + 1) if rng.random() < 0.2 else len(data)
                    s.sendall(data[:cut])
                    act = rng.random()
                    if act < 0.1:
                        s.shutdown(socket.SHUT_WR)
                    if act < 0.2:
                        break
                    if act < 0.3:
                        s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                                     struct.pack("ii", 1, 0))
                        break
                    read_answer(s)
        except Exception:  # most of what happens here is meant to go wrong
            pass


def change(proxy, addresses, seed, end):
    rng = random.Random(seed)
    service = proxy.service_lines("web", {"blue": []})[0]["service"]
    service["routes"] = [{"host": "a", "path": "/"}]
    turn = 0
    while time.monotonic() < end:
        turn += 1
        kind = rng.random()
        if kind < 0.4:
            proxy.switch("web", rng.choice(["blue", "green"]))
        elif kind < 0.7:
            slots = {s: rng.sample(addresses, rng.randrange(0, 4)) for s in ("blue", "green")}
            proxy.tell(instances=proxy.roster("web", slots, ill=rng.sample(addresses, 1)))
        elif kind < 0.95:
            proxy.tell(service={**service, "balance": rng.choice(["round-robin", "least-requests"]),
                                "hold_ms": 100, "idle_ms": 300, "answer_ms": 300,
                                "traffic": rng.choice(["serve"] * 5 + ["hold", "stop",
                                                                       "maintenance"])})
        else:
            proxy.tell(remove={"service": "web"})
            proxy.tell(service=service)
            proxy.tell(instances=proxy.roster("web", {"blue": addresses}))
            proxy.switch("web", "blue")
        time.sleep(0.01)
    proxy.tell(service=service)
    return turn


def test_whatever_happens_claims_are_released_units_charged_and_nobody_is_forgotten():
    seed = int(os.environ.get("CHAOS_SEED", random.randrange(1 << 30)))
    print("CHAOS_SEED", seed)
    origins = [Origin(misbehaving(seed + i)) for i in range(3)]
    with Proxy(workers=2) as proxy:
        addresses = [o.address for o in origins]
        proxy.route("web", {"blue": addresses, "green": addresses[:1]},
                    routes=[{"host": "a", "path": "/"}], answer_ms=300, idle_ms=300)
        end = time.monotonic() + SECONDS
        clients = [threading.Thread(target=misbehave, args=(proxy, seed + 100 + i, end))
                   for i in range(12)]
        for c in clients:
            c.start()
        change(proxy, addresses, seed, end)
        for c in clients:
            c.join()
        eventually(lambda: proxy.shard_total("connections_opened") ==
                   proxy.shard_total("connections_closed"), what="every client is gone")
        assert proxy.shard_total("held") == 0
        for key in proxy.gauges:
            started, finished = proxy.gauge(*key)
            assert started == finished, key
        for name, slot in proxy.cells:
            cell = proxy.cell(name, slot)
            assert cell["claimed"] == cell["requests"] == sum(cell[f"s{i}"] for i in range(6))
            assert cell["errors"] + cell["client_left"] <= 2 * cell["requests"]
        total = sum(proxy.cell(n, s)["requests"] for n, s in proxy.cells)
        assert total > 100
    for o in origins:
        o.stop()
