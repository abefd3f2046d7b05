# SPDX-License-Identifier: Apache-2.0
"""A shop in several versions: GET anything is a visit; POST /order is answered with 201 and the field X-Order-Total
when the user (X-User) buys, else with 200. Who buys is the user's to know, and how many of them the version's:
the file `buyers` in its directory says which share, 0..1."""
import asyncio
import hashlib
import os
import pathlib

BUYERS = float(pathlib.Path("buyers").read_text())


def buys(user):
    return int(hashlib.sha256(user).hexdigest()[:8], 16) < BUYERS * 0x100000000


async def serve(reader, writer):
    try:
        while head := await reader.readuntil(b"\r\n\r\n"):
            lines = head.split(b"\r\n")
            fields = {name.strip().lower(): value.strip() for name, _, value in (line.partition(b":") for line in lines)}
            ordered = lines[0].startswith(b"POST /order") and buys(fields.get(b"x-user", b""))
            writer.write(b"HTTP/1.1 %s\r\n%sX-Version: %s\r\nContent-Length: 0\r\n\r\n" % (
                b"201 Created" if ordered else b"200 OK", b"X-Order-Total: 20.50\r\n" if ordered else b"",
                os.environ["VERSION"].encode()))
    except (asyncio.IncompleteReadError, OSError):
        pass
    finally:
        writer.close()


async def main():
    async with await asyncio.start_server(serve, "127.0.0.1", int(os.environ["PORT"])) as server:
        await server.serve_forever()


asyncio.run(main())
