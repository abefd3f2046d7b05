# SPDX-License-Identifier: Apache-2.0
"""Applications for the proxy's tests: a scripted one, byte by byte, and a fast one for load.

    with Origin(lambda connection: connection.answer(b"hello")) as origin: ...
    with FastOrigin("v1") as origin: ...            # every answer says v1
"""
import os
import socket
import ssl
import subprocess
import sys
import threading
import types


class Connection:
    """One connection of the proxy to a scripted origin."""

    def __init__(self, sock):
        self.sock, self.buffer, self.head = sock, b"", b""

    def read_head(self):
        """The next request's head, or b"" when the proxy closed."""
        while b"\r\n\r\n" not in self.buffer:
            data = self.sock.recv(65536)
            if not data:
                return b""
            self.buffer += data
        self.head, _, self.buffer = self.buffer.partition(b"\r\n\r\n")
        return self.head

    def field(self, name):
        for line in self.head.split(b"\r\n")[1:]:
            key, _, value = line.partition(b":")
            if key.lower() == name.lower().encode():
                return value.strip().decode()
        return None

    @property
    def path(self):
        return self.head.split()[1].decode()

    def read_bytes(self, count):
        while len(self.buffer) < count:
            data = self.sock.recv(65536)
            if not data:
                raise EOFError
            self.buffer += data
        taken, self.buffer = self.buffer[:count], self.buffer[count:]
        return taken

    def read_body(self):
        if self.field("Transfer-Encoding") != "chunked":
            return self.read_bytes(int(self.field("Content-Length") or 0))
        body = b""
        while True:
            line = b""
            while not line.endswith(b"\r\n"):
                line += self.read_bytes(1)
            size = int(line.split(b";")[0], 16)
            if size == 0:
                while line != b"\r\n":
                    line = b""
                    while not line.endswith(b"\r\n"):
                        line += self.read_bytes(1)
                return body
            body += self.read_bytes(size)
            self.read_bytes(2)

    def send(self, data):
        self.sock.sendall(data)

    def answer(self, body=b"ok", status="200 OK", fields=()):
        lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *fields, "", ""]
        self.send("\r\n".join(lines).encode() + body)

    def reset(self):
        import struct
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()


def answering(body=b"ok", requests=None):
    """Answers every request with `body`, keep-alive, or so many of each connection."""
    def serve(connection):
        served = 0
        while served != requests and connection.read_head():
            connection.read_body()
            served += 1
            connection.answer(body, fields=["Connection: close"] if served == requests else [])
    return serve


class Origin:
    """Runs `serve(connection)` in a thread for each connection."""

    def __init__(self, serve=None, address=("127.0.0.1", 0), path=None):
        self.serve, self.connections, self.errors = serve or answering(), 0, []
        self.open = set()
        if path:
            self.listener = socket.socket(socket.AF_UNIX)
            self.listener.bind(path)
            os.chmod(os.path.dirname(path), 0o711)  # the proxy is not root
            os.chmod(path, 0o666)
            self.address = f"unix:{path}"
        else:
            self.listener = socket.socket(
                socket.AF_INET6 if ":" in address[0] else socket.AF_INET)
            self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            self.listener.bind(address)
            host, port = self.listener.getsockname()[:2]
            self.address = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        self.listener.listen(512)
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                sock, _ = self.listener.accept()
            except OSError:
                return
            self.connections += 1
            self.open.add(sock)
            threading.Thread(target=self._serve, args=(sock,), daemon=True).start()

    def _serve(self, sock):
        try:
            self.serve(Connection(sock))
        except (OSError, EOFError):
            pass
        except Exception as error:  # a test looks at it
            self.errors.append(error)
        finally:
            sock.close()
            self.open.discard(sock)

    def drop(self):
        """Ends the connections that are there."""
        for sock in list(self.open):
            try:
                sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def stop(self):
        """Closes everything at once, as when the process is killed."""
        try:
            self.listener.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self.listener.close()
        self.drop()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()
        assert not self.errors, self.errors


class Repeating(Origin):
    """Gives every request the same answer, byte for byte, and counts them."""

    def __init__(self, answer):
        self.answer, self.seen = answer, 0
        super().__init__(self._repeat)

    def _repeat(self, connection):
        while connection.read_head():
            self.seen += 1
            connection.send(self.answer)


class SecureOrigin(Origin):
    """The same over TLS. `greetings` has what each handshake was: resumed, name asked for, protocol."""

    def __init__(self, certificate, serve=None, context=None, **kwargs):
        self.context = context or ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(certificate.chain, certificate.key)
        self.context.sni_callback = lambda sock, name, _: setattr(sock, "asked_for", name)
        self.context.set_alpn_protocols(["http/1.1"])
        self.greetings, self.failures = [], []
        super().__init__(serve, **kwargs)

    def _serve(self, sock):
        self.open.discard(sock)
        try:
            secure = self.context.wrap_socket(sock, server_side=True)
            greeting = types.SimpleNamespace(
                resumed=secure.session_reused, name=getattr(secure, "asked_for", None),
                protocol=secure.selected_alpn_protocol(), peer=secure.getpeercert())
        except OSError as error:
            self.failures.append(error)
            sock.close()
            return
        self.greetings.append(greeting)
        self.open.add(secure)
        super()._serve(secure)


class FastOrigin:
    """An asyncio server in a process of its own."""

    def __init__(self, body):
        self.process = subprocess.Popen([sys.executable, os.path.abspath(__file__), body],
                                        stdout=subprocess.PIPE, text=True)
        self.address = self.process.stdout.readline().strip()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()


def run_fast(body):
    import asyncio
    answer = (f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\n"
              f"X-Version: {body}\r\n\r\n{body}").encode()

    class Protocol(asyncio.Protocol):
        def connection_made(self, transport):
            self.transport, self.rest = transport, b""

        def data_received(self, data):
            parts = (self.rest + data).split(b"\r\n\r\n")
            self.rest = parts.pop()
            self.transport.write(answer * len(parts))

    async def main():
        server = await asyncio.get_running_loop().create_server(Protocol, "127.0.0.1", 0,
                                                                backlog=1024)
        print("%s:%d" % server.sockets[0].getsockname(), flush=True)
        await server.serve_forever()

    asyncio.run(main())


if __name__ == "__main__":
    run_fast(sys.argv[1])
