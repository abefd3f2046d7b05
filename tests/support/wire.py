# SPDX-License-Identifier: Apache-2.0
"""Both ends of the wire, byte for byte: a test is the client and the origin at once, in one thread,
so it says exactly who sends what when."""
import os
import select
import socket
import struct
import tempfile

PATIENCE_S = 20.0 * float(os.environ.get("BASCULE_SLOW", 1))  # a bound for what takes milliseconds when the machine is free
QUIET_S = 0.15   # how long something that must not come is waited for


class Peer:
    """One connection."""

    def __init__(self, sock):
        self.sock, self.buffer = sock, b""
        sock.settimeout(PATIENCE_S)
        if sock.family != socket.AF_UNIX:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def send(self, data):
        self.sock.sendall(data)
        return self

    def drip(self, data):
        """Byte by byte."""
        for i in range(len(data)):
            self.sock.sendall(data[i:i + 1])
        return self

    def _more(self):
        data = self.sock.recv(65536)
        self.buffer += data
        return data

    def _take(self, size):
        taken, self.buffer = self.buffer[:size], self.buffer[size:]
        return taken

    def until(self, mark):
        while mark not in self.buffer:
            if not self._more():
                raise EOFError(f"ended before {mark!r}: {self.buffer!r}")
        return self._take(self.buffer.index(mark) + len(mark))

    def head(self):
        return self.until(b"\r\n\r\n")

    def exact(self, size):
        while len(self.buffer) < size:
            if not self._more():
                raise EOFError(f"ended before {size} bytes: {self.buffer!r}")
        return self._take(size)

    def rest(self):
        """Everything up to the end; (bytes, True when it was a reset)."""
        try:
            while self._more():
                pass
            return self._take(len(self.buffer)), False
        except ConnectionResetError:
            return self._take(len(self.buffer)), True

    def ended(self):
        """Waits for the end; nothing may come before it."""
        data, _ = self.rest()
        assert data == b"", data
        return True

    def quiet(self):
        """True when nothing comes, not even the end."""
        return not self.buffer and not select.select([self.sock], [], [], QUIET_S)[0]

    def finish(self):
        """Says that nothing more will be sent."""
        self.sock.shutdown(socket.SHUT_WR)
        return self

    def reset(self):
        if self.sock.fileno() == -1:
            return
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()

    def close(self):
        self.sock.close()


class Origin:
    """A listening socket; the test accepts, reads and answers by hand."""

    def __init__(self, family=socket.AF_INET):
        self.peers, self.directory = [], None
        self.sock = socket.socket(family)
        if family == socket.AF_UNIX:
            self.directory = tempfile.TemporaryDirectory(prefix="bascule-origin-")
            path = os.path.join(self.directory.name, "s")
            self.sock.bind(path)
            os.chmod(self.directory.name, 0o711)  # the proxy is not root
            os.chmod(path, 0o666)
            self.address = f"unix:{path}"
        else:
            self.sock.bind(("127.0.0.1" if family == socket.AF_INET else "::1", 0))
            port = self.sock.getsockname()[1]
            self.address = f"127.0.0.1:{port}" if family == socket.AF_INET else f"[::1]:{port}"
        self.sock.listen(64)
        self.sock.settimeout(PATIENCE_S)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for peer in self.peers:
            peer.close()
        self.sock.close()
        if self.directory:
            self.directory.cleanup()

    def accept(self):
        peer = Peer(self.sock.accept()[0])
        self.peers.append(peer)
        return peer

    def untouched(self):
        """True when nobody connects."""
        return not select.select([self.sock], [], [], QUIET_S)[0]


def fields(head):
    """The field lines of a head, in order, as (name in lower case, value)."""
    lines = head.decode("latin-1").split("\r\n")[1:]
    return [(name.lower(), value.strip()) for name, value in
            (line.split(":", 1) for line in lines if line)]


def field(head, name):
    """The one value of a field; None when it is not there, an error when it is there twice."""
    values = [v for n, v in fields(head) if n == name.lower()]
    assert len(values) <= 1, (name, values)
    return values[0] if values else None


def status(head):
    return int(head.split(b" ", 2)[1])
