# SPDX-License-Identifier: Apache-2.0
"""Either end of HTTP/2, frame for frame: it sends what a test says, right or wrong, and keeps what came
by stream. Only HPACK and the layout of frames are libraries (Debian: python3-hpack, python3-hyperframe)."""
import hpack
from hyperframe import frame as frames

from wire import Peer

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"


class Stream:
    def __init__(self):
        self.heads, self.data, self.trailers = [], b"", None
        self.ended, self.reset = False, None

    @property
    def head(self):
        """Of the final answer, or of the request."""
        return self.heads[-1]

    @property
    def status(self):
        return int(self.head[":status"])


class H2Peer(Peer):
    def __init__(self, sock, client=True, settings=None, greet=True, host="test"):
        super().__init__(sock)
        self.host = host  # that its requests name
        self.encoder, self.decoder = hpack.Encoder(), hpack.Decoder()
        self.client, self.streams, self.next_id = client, {}, 1
        self.acknowledges = True  # a PING; what a test may leave out
        self.goaway, self.goaways, self.pings, self.settings, self.updates = None, [], [], {}, {}
        if greet:
            self.greet(settings)

    def greet(self, settings=None):
        if self.client:
            self.send(PREFACE)
        self.frame(frames.SettingsFrame(0, settings=settings or {}))

    def frame(self, frame, flags=()):
        for flag in flags:
            frame.flags.add(flag)
        self.send(frame.serialize())

    def raw(self, kind, flags=0, stream=0, body=b""):
        """Any frame at all."""
        self.send(len(body).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") +
                  body)

    def headers(self, stream, fields, end=True):
        block = self.encoder.encode(fields)
        pieces = [block[at:at + 16384] for at in range(0, len(block), 16384)]
        for i, piece in enumerate(pieces):
            frame = frames.ContinuationFrame(stream, piece) if i else \
                frames.HeadersFrame(stream, piece)
            flags = ["END_STREAM"] if end and not i else []
            self.frame(frame, flags + ["END_HEADERS"] if i + 1 == len(pieces) else flags)

    def data(self, stream, data, end=False):
        self.frame(frames.DataFrame(stream, data), ["END_STREAM"] if end else [])

    def rst(self, stream, code=8):
        self.frame(frames.RstStreamFrame(stream, error_code=code))

    def window(self, stream, size):
        self.frame(frames.WindowUpdateFrame(stream, window_increment=size))

    def request(self, host=None, path="/", method="GET", extra=(), body=None, end=None):
        """Begins a request; returns its stream's number."""
        stream, self.next_id = self.next_id, self.next_id + 2
        pseudo = [(":method", method), (":scheme", "http"), (":authority", host or self.host),
                  (":path", path)]
        self.headers(stream, [*pseudo, *extra], end=body is None if end is None else end)
        if body is not None:
            self.data(stream, body, end=True if end is None else end)
        return stream

    def read(self):
        """Takes one frame in."""
        if not self.client and not self.settings:
            assert self.exact(len(PREFACE)) == PREFACE
            self.settings["preface"] = True
        head = self.exact(9)
        frame, size = frames.Frame.parse_frame_header(memoryview(head))
        frame.parse_body(memoryview(self.exact(size)))
        self.take(frame)
        return frame

    def take(self, frame):
        stream = self.streams.setdefault(frame.stream_id, Stream()) if frame.stream_id else None
        if isinstance(frame, frames.HeadersFrame):
            block = frame.data
            while "END_HEADERS" not in frame.flags:
                end_stream = "END_STREAM" in frame.flags
                head = self.exact(9)
                frame, size = frames.Frame.parse_frame_header(memoryview(head))
                frame.parse_body(memoryview(self.exact(size)))
                block += frame.data
                if end_stream:
                    frame.flags.add("END_STREAM")
            fields = dict(self.decoder.decode(block))
            if any(name.startswith(":") for name in fields):
                stream.heads.append(fields)
            else:
                stream.trailers = fields
        elif isinstance(frame, frames.DataFrame):
            stream.data += frame.data
        elif isinstance(frame, frames.RstStreamFrame):
            stream.reset = frame.error_code
        elif isinstance(frame, frames.GoAwayFrame):
            self.goaway = frame.error_code
            self.goaways.append((frame.last_stream_id, frame.error_code))
        elif isinstance(frame, frames.PingFrame):
            self.pings.append("ACK" in frame.flags)
            if "ACK" not in frame.flags and self.acknowledges:
                self.frame(frames.PingFrame(0, opaque_data=frame.opaque_data), ["ACK"])
        elif isinstance(frame, frames.WindowUpdateFrame):
            self.updates[frame.stream_id] = self.updates.get(frame.stream_id, 0) + \
                frame.window_increment
        elif isinstance(frame, frames.SettingsFrame) and "ACK" not in frame.flags:
            self.settings |= frame.settings
            self.settings["seen"] = True
            self.frame(frames.SettingsFrame(0), ["ACK"])
        elif isinstance(frame, frames.SettingsFrame):
            self.settings["acknowledged"] = True
        if stream and ("END_STREAM" in frame.flags):
            stream.ended = True

    def wait(self, condition):
        """Reads frames until the condition holds."""
        while not condition():
            self.read()

    def answer(self, number):
        """Waits for the end of the stream, good or bad."""
        self.wait(lambda: number in self.streams and
                  (self.streams[number].ended or self.streams[number].reset is not None))
        return self.streams[number]

    def head_of(self, number):
        self.wait(lambda: number in self.streams and self.streams[number].heads)
        return self.streams[number]

    def end(self):
        """Reads up to the end of the connection."""
        try:
            while True:
                self.read()
        except (EOFError, ConnectionError):
            return self
