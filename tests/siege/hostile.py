"""A web server that polled feeds should not have been given: redirects, bombs and lists that cost more than they weigh.

Requests of our own collector enter, answers made to hold it leave. While it `behaves`, before the attack and after, it
is an ordinary server of an aircraft.json, so that a feed's own breaker has something to heal with.
"""

from __future__ import annotations

import gzip
import threading
import time
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Self

PATHS = ("redirect", "lines", "lists", "objects")


class HostileServer:
    """A context manager; `asked` counts requests by path, made while it did not behave."""

    def __init__(self) -> None:
        self.asked = Counter[str]()
        self.behaves = True
        self._bodies = {
            "lines": gzip.compress(b"\n" * 32_000_000),
            "lists": gzip.compress(b'{"now":1,"aircraft":[' + b"[]," * 8_000_000 + b"[]]}"),
            "objects": gzip.compress(b'{"now":1,"aircraft":[' + b'{"hex":1},' * 1_000_000 + b"{}]}"),
        }
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._thread = threading.Thread(target=self._server.serve_forever, name="hostile web", daemon=True)

    @property
    def port(self) -> int:
        return int(self._server.server_address[1])

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                path = self.path.strip("/")
                if server.behaves:
                    self._answer(b'{"now":%d,"aircraft":[]}' % time.time())
                    return
                server.asked[path] += 1
                if path == "redirect":
                    self.send_response(302)
                    self.send_header("Location", "ftp://x/?" + "key?" * 15_000)
                    self.end_headers()
                else:
                    self._answer(server._bodies[path], "gzip")

            def _answer(self, body: bytes, encoding: str = "identity") -> None:
                self.send_response(200)
                self.send_header("Content-Encoding", encoding)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:
                """Say nothing."""

        return Handler
