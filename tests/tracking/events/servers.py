"""A webhook and a mail server of the tests' own, on 127.0.0.1, which keep what arrives."""

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from aiosmtpd.controller import Controller


class Webhook:
    """What arrived, and what is answered: a status, "hang up" after the request, or "redirect"."""

    def __init__(self) -> None:
        self.arrived: list[dict[str, Any]] = []
        self.answer: int | str = 200
        self.port = 0

    @property
    def url(self) -> str:
        return f"json://127.0.0.1:{self.port}/hook"


@contextmanager
def webhook() -> Iterator[Webhook]:
    """The server, for as long as the block lasts."""
    hook = Webhook()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            hook.arrived.append(json.loads(body))
            if hook.answer == "hang up":
                self.connection.close()
                return
            if hook.answer == "redirect":
                self.send_response(307)
                self.send_header("Location", "/elsewhere")
            else:
                self.send_response(int(hook.answer))
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:
            """Nothing is written."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    hook.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    yield hook
    server.shutdown()
    server.server_close()


class Mailbox:
    """What arrived: (recipients, text)."""

    def __init__(self) -> None:
        self.arrived: list[tuple[list[str], str]] = []
        self.port = 0

    @property
    def url(self) -> str:
        return f"mailto://127.0.0.1:{self.port}?from=tracking@example.org&to=watch@example.org"

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        """Take the mail."""
        self.arrived.append((list(envelope.rcpt_tos), envelope.content.decode()))
        return "250 Message accepted"


@contextmanager
def mail_server() -> Iterator[Mailbox]:
    """The server, for as long as the block lasts."""
    mailbox = Mailbox()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        mailbox.port = free.getsockname()[1]
    controller = Controller(mailbox, hostname="127.0.0.1", port=mailbox.port)
    controller.start()
    yield mailbox
    controller.stop()
