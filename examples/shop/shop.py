#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A shop of three programs in one file: `web` shows the page, `api` takes orders, `jobs` ships them.

Orders are files in a folder that api and jobs share: QUEUE, or bascule-shop below the folder for temporary files.
Whoever renames an order has it, so two versions of jobs may run at once. A release is a folder with the page and
the name of the carrier. README.md says what to try.
"""
import http.server
import os
import pathlib
import signal
import sys
import tempfile
import threading
import uuid

VERSION = os.environ.get("VERSION", "unknown")
QUEUE = pathlib.Path(os.environ.get("QUEUE", pathlib.Path(tempfile.gettempdir()) / "bascule-shop"))


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def answer(self, status, text):
        body = text.encode()
        self.send_response(status)
        self.send_header("Content-Type", "text/plain; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("X-Version", VERSION)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, *_):
        pass


class Web(Handler):
    def do_GET(self):
        self.answer(200, "fine\n" if self.path == "/health" else pathlib.Path("page.txt").read_text("utf-8"))

    do_HEAD = do_GET


class Api(Handler):
    """GET: how many orders wait and what was shipped, by which version of jobs; POST: one more order."""

    def do_GET(self):
        shipped = [path.read_text("utf-8") for path in sorted(QUEUE.glob("*.shipped"))]
        self.answer(200, f"{len(list(QUEUE.glob('*.order')))} waiting\n{''.join(shipped)}")

    do_HEAD = do_GET

    def do_POST(self):
        order = uuid.uuid4().hex
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        (QUEUE / f"{order}.new").write_text(f"taken by {VERSION}", "utf-8")
        (QUEUE / f"{order}.new").rename(QUEUE / f"{order}.order")
        self.answer(202, f"{order}\n")


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = False  # what was begun is finished
    request_queue_size = 128


def serve(handler):
    server = Server(("127.0.0.1", int(os.environ["PORT"])), handler)
    signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown).start())
    server.serve_forever(poll_interval=0.05)
    os._exit(0)  # connections that are kept open hold their threads: the proxy has none of its requests on them


def ship_all(ending, carrier):
    for order in sorted(QUEUE.glob("*.order")):
        mine = order.with_suffix(f".{os.getpid()}")
        try:
            order.rename(mine)
        except FileNotFoundError:
            continue  # another instance has it
        mine.write_text(f"{mine.read_text('utf-8')}, shipped by {VERSION} with {carrier}\n", "utf-8")
        mine.rename(order.with_suffix(".shipped"))
        if ending.is_set():
            return


def work():
    """Told to stop, it finishes the order that it has."""
    ending = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: ending.set())
    carrier = pathlib.Path("carrier.txt").read_text("utf-8").strip()
    while not ending.is_set():
        ship_all(ending, carrier)
        ending.wait(0.2)


def main():
    parts = {"web": lambda: serve(Web), "api": lambda: serve(Api), "jobs": work}
    if sys.argv[1:] not in [[name] for name in parts]:
        sys.exit(f"usage: {sys.argv[0]} {'|'.join(parts)}")
    QUEUE.mkdir(parents=True, exist_ok=True)
    parts[sys.argv[1]]()


if __name__ == "__main__":
    main()
