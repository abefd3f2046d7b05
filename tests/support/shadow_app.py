# SPDX-License-Identifier: Apache-2.0
"""An application whose versions differ: / is JSON with fields that are noise, and what else it does says
VERSION: `changed` answers another price, `hanging` nothing at all to copies, `resetting` ends their connections,
`slow` takes 300 ms for them. /copies tells what copies it got. Every answer says which version gave it."""
import asyncio
import json
import os
import random

VERSION = os.environ.get("VERSION", "?")
copies = []


def body_of(path):
    if path == "/copies":
        return json.dumps(copies).encode()
    price = 12 if VERSION == "changed" else 10
    return json.dumps({"user": {"name": "Ann", "time": random.random()}, "total": 3, "request": random.getrandbits(60),
                       "items": [{"id": n, "price": price} for n in range(3)]}).encode()


async def serve(reader, writer):
    try:
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            lines = head.decode("latin-1").split("\r\n")
            method, path, _ = lines[0].split(" ")
            fields = {n.lower(): v.strip() for n, v in (line.split(":", 1) for line in lines[1:] if line)}
            sent = await reader.readexactly(int(fields.get("content-length", 0)))
            copy = "x-bascule-mirror" in fields
            if copy:
                copies.append([method, path, sent.decode("latin-1")])
            if copy and VERSION == "hanging":
                await asyncio.sleep(60)
            if copy and VERSION == "resetting":
                break
            if copy and VERSION == "slow":
                await asyncio.sleep(0.3)
            body = body_of(path)
            writer.write(f"HTTP/1.1 200 OK\r\nX-Version: {VERSION}\r\nContent-Type: application/json\r\n"
                         f"Content-Length: {len(body)}\r\n\r\n".encode() + (b"" if method == "HEAD" else body))
            await writer.drain()
    except (asyncio.IncompleteReadError, ConnectionError):
        pass
    finally:
        writer.close()


async def main():
    server = await asyncio.start_server(serve, "127.0.0.1", int(os.environ["PORT"]))
    async with server:
        await server.serve_forever()


asyncio.run(main())
