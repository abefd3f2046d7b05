# SPDX-License-Identifier: Apache-2.0
"""An instance that answers thousands of requests a second and has moods: a share of its answers fails, is late
or never comes, and a share waits for a database. The file `moods` (JSON) in its directory says which:

  fail, late, hang   shares of the requests, 0..1, that get a 500, wait late_s, or are never answered
  pace_s, spread_s   what every answer takes; and on top of it, on average: many little, few much
  database           a port: every answer first asks there and waits for the line that comes back
"""
import asyncio
import json
import os
import pathlib
import random

MOODS = {"fail": 0, "late": 0, "late_s": 0, "hang": 0, "pace_s": 0, "spread_s": 0, "database": 0}
MOODS |= json.loads(pathlib.Path("moods").read_text()) if pathlib.Path("moods").exists() else {}
VERSION = os.environ["VERSION"].encode()


def answer(status):
    return (b"HTTP/1.1 %s\r\nX-Version: %s\r\nContent-Length: %d\r\n\r\n%s" % (status, VERSION, len(VERSION), VERSION))


GOOD, BAD = answer(b"200 OK"), answer(b"500 Internal Server Error")


class Database:
    """One connection for everybody; answers come in the order of the questions."""

    def __init__(self, port):
        self.port, self.waiting, self.writer = port, [], None

    async def read(self, reader):
        while await reader.readline():
            self.waiting.pop(0).set_result(None)

    async def ask(self):
        if not self.writer:
            reader, self.writer = await asyncio.open_connection("127.0.0.1", self.port)
            self.reading = asyncio.ensure_future(self.read(reader))
        asked = asyncio.get_running_loop().create_future()
        self.waiting.append(asked)
        self.writer.write(b"?\n")
        await asked


async def serve(reader, writer, database):
    try:
        while head := await reader.readuntil(b"\r\n\r\n"):
            if head.startswith(b"GET /health"):
                writer.write(GOOD)
                continue
            toss = random.random()
            if database:
                await database.ask()
            if MOODS["pace_s"] or MOODS["spread_s"]:
                await asyncio.sleep(MOODS["pace_s"] + random.random() ** 3 * 4 * MOODS["spread_s"])
            if toss < MOODS["hang"]:
                await asyncio.sleep(3600)
            if random.random() < MOODS["late"]:
                await asyncio.sleep(MOODS["late_s"])
            writer.write(BAD if random.random() < MOODS["fail"] else GOOD)
    except (asyncio.IncompleteReadError, ConnectionError):
        pass
    finally:
        writer.close()


async def main():
    database = Database(MOODS["database"]) if MOODS["database"] else None
    server = await asyncio.start_server(lambda r, w: serve(r, w, database), "127.0.0.1", int(os.environ["PORT"]), backlog=1024)
    async with server:
        await server.serve_forever()

asyncio.run(main())
