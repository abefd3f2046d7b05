# SPDX-License-Identifier: Apache-2.0
"""Between a client of HTTP/2 and a server: passes every byte on and remembers what became of each stream. So it
can be told who is wrong when a client says that a request failed."""
import asyncio
import ssl
import threading

PREFACE_BYTES, HEAD_BYTES = 24, 9
DATA, HEADERS, RST_STREAM, GOAWAY, CONTINUATION = 0, 1, 3, 7, 9
END_STREAM = 1


class Frames:
    """Cuts the bytes of one direction into frames."""

    def __init__(self, skip, take):
        self.skip, self.take, self.rest = skip, take, b""

    def feed(self, data):
        self.rest += data
        if self.skip:
            gone = min(self.skip, len(self.rest))
            self.rest, self.skip = self.rest[gone:], self.skip - gone
        while len(self.rest) >= HEAD_BYTES:
            size = int.from_bytes(self.rest[:3], "big")
            if len(self.rest) < HEAD_BYTES + size:
                return
            kind, flags = self.rest[3], self.rest[4]
            stream = int.from_bytes(self.rest[5:9], "big") & 0x7fffffff
            self.take(kind, flags, stream, self.rest[HEAD_BYTES:HEAD_BYTES + size])
            self.rest = self.rest[HEAD_BYTES + size:]


class Connection:
    def __init__(self):
        self.asked, self.answered, self.reset = set(), set(), {}
        self.goaways = []  # (last stream, error, streams that were asked for by then)
        self.server_ended = self.client_ended = None  # "end" or "reset", whoever was first

    def from_client(self, kind, flags, stream, _):
        if kind == HEADERS:
            self.asked.add(stream)

    def from_server(self, kind, flags, stream, body):
        if kind in (DATA, HEADERS) and flags & END_STREAM:
            self.answered.add(stream)
        elif kind == RST_STREAM:
            self.reset[stream] = int.from_bytes(body[:4], "big")
        elif kind == GOAWAY:
            self.goaways.append((int.from_bytes(body[:4], "big") & 0x7fffffff, int.from_bytes(body[4:8], "big"),
                                 len(self.asked)))

    @property
    def lost(self):
        """What the server said that it would answer (RFC 9113 section 6.8), and did not."""
        last = min((last for last, _, _ in self.goaways), default=2 ** 31 - 1)
        return {stream for stream in self.asked - self.answered if stream <= last}

    @property
    def asked_after_notice(self):
        """Requests that left after the client was told to make no more of them here."""
        return len(self.asked) - self.goaways[0][2] if self.goaways else 0


class Recorder:
    """Listens at `port`; `towards` is the port of the server. With `contexts` both sides speak TLS: (the server's to
    the client, the client's to the server)."""

    def __init__(self, towards, contexts=None):
        self.towards, self.contexts, self.connections = towards, contexts, []
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever)

    async def pass_on(self, reader, writer, frames):
        """How it ended."""
        try:
            while data := await reader.read(65536):
                frames.feed(data)
                writer.write(data)
                await writer.drain()
            if writer.can_write_eof():
                writer.write_eof()
            else:  # TLS has no half
                writer.close()
            return "end"
        except (ConnectionError, ssl.SSLError):
            return "reset"

    async def serve(self, reader, writer):
        connection = Connection()
        self.connections.append(connection)
        secure = {"ssl": self.contexts[1], "server_hostname": "localhost"} if self.contexts else {}
        up = await asyncio.open_connection("127.0.0.1", self.towards, **secure)

        async def client_to_server():
            how = await self.pass_on(reader, up[1], Frames(PREFACE_BYTES, connection.from_client))
            connection.client_ended = connection.client_ended or how

        async def server_to_client():
            how = await self.pass_on(up[0], writer, Frames(0, connection.from_server))
            connection.server_ended = connection.server_ended or how

        await asyncio.gather(client_to_server(), server_to_client())
        for end in (writer, up[1]):
            end.close()

    def __enter__(self):
        self.thread.start()
        context = self.contexts and self.contexts[0]
        self.server = asyncio.run_coroutine_threadsafe(
            asyncio.start_server(self.serve, "127.0.0.1", 0, ssl=context), self.loop).result()
        self.port = self.server.sockets[0].getsockname()[1]
        return self

    def __exit__(self, *_):
        async def end():
            self.server.close()
            mine = asyncio.current_task()
            others = [task for task in asyncio.all_tasks() if task is not mine]
            for task in others:
                task.cancel()
            await asyncio.gather(*others, return_exceptions=True)
        asyncio.run_coroutine_threadsafe(end(), self.loop).result()
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join()
        self.loop.close()
