# SPDX-License-Identifier: Apache-2.0
"""An application with answers that last: / at once, /chat a WebSocket that echoes, /events an event stream,
/download 60 KiB within three seconds."""
import asyncio
import base64
import hashlib
import os

HEAD = b"HTTP/1.1 200 OK\r\nX-Version: %s\r\n" % os.environ.get("VERSION", "?").encode()
GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


async def read_frame(reader):
    """(opcode, payload), unmasked."""
    head = await reader.readexactly(2)
    assert head[1] & 0x80 and head[1] & 0x7f < 126
    mask, data = await reader.readexactly(4), await reader.readexactly(head[1] & 0x7f)
    return head[0] & 15, bytes(b ^ mask[i % 4] for i, b in enumerate(data))


async def chat(reader, writer, fields):
    accept = base64.b64encode(hashlib.sha1(fields[b"sec-websocket-key"] + GUID).digest())
    writer.write(b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
                 b"Sec-WebSocket-Accept: %s\r\n\r\n" % accept)
    while True:
        opcode, data = await read_frame(reader)
        writer.write(bytes([0x80 | opcode, len(data)]) + data)
        await writer.drain()
        if opcode == 8:
            return


async def events(writer):
    writer.write(HEAD + b"Content-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n")
    for number in range(100000):
        event = b"id: %d\ndata: tick\n\n" % number
        writer.write(b"%x\r\n%s\r\n" % (len(event), event))
        await writer.drain()
        await asyncio.sleep(0.05)


async def download(writer):
    writer.write(HEAD + b"Content-Length: 61440\r\n\r\n")
    for _ in range(60):
        writer.write(b"d" * 1024)
        await writer.drain()
        await asyncio.sleep(0.05)


async def serve(reader, writer):
    try:
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            lines = head.split(b"\r\n")
            path = lines[0].split(b" ")[1]
            fields = {n.lower(): v.strip() for n, v in (line.split(b":", 1) for line in lines[1:] if line)}
            await reader.readexactly(int(fields.get(b"content-length", 0)))
            if path == b"/chat":
                await chat(reader, writer, fields)
                break
            if path == b"/events":
                await events(writer)
            elif path == b"/download":
                await download(writer)
            else:
                writer.write(HEAD + b"Content-Length: 3\r\n\r\nok\n")
                await writer.drain()
    except (OSError, asyncio.IncompleteReadError):
        pass
    finally:
        writer.close()


async def main():
    server = await asyncio.start_server(serve, "127.0.0.1", int(os.environ["PORT"]), backlog=1024)
    await server.serve_forever()

asyncio.run(main())
