"""A server of streams in a thread, and a client of it."""

import http.client
import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.core.asgi import get_asgi_application

from tests.faults.processes import wait_until
from tests.support.patience import PATIENCE_SECONDS
from tracking.streams import server as servers


@contextmanager
def serving() -> Iterator[int]:
    """The port of a server of ten streams."""
    sock = servers.listen("127.0.0.1", 0)
    server = servers.made(get_asgi_application(), 10)
    loop = threading.Thread(target=server.run, kwargs={"sockets": [sock]})
    loop.start()
    wait_until(lambda: server.started, PATIENCE_SECONDS, "the server listens")
    yield int(sock.getsockname()[1])
    server.should_exit = True
    loop.join(PATIENCE_SECONDS)
    assert not loop.is_alive(), "open streams do not keep the server"


class Listener:
    """A client of a stream, which reads an event when it is asked for one."""

    def __init__(
        self, port: int, query: str = "bbox=0,50,10,60", buffer: int = 0, path: str = "/api/stream/", **headers: str
    ) -> None:
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE_SECONDS)
        if buffer:
            self.connection.sock = socket.socket()
            self.connection.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
            self.connection.sock.settimeout(PATIENCE_SECONDS)
            self.connection.sock.connect(("127.0.0.1", port))
        self.connection.request("GET", f"{path}?{query}", headers={"Accept": "text/event-stream"} | headers)
        self.response = self.connection.getresponse()

    def event(self) -> dict[str, str]:
        """The next event's fields; comments and what comes before the first are passed over."""
        found: dict[str, str] = {}
        while line := self.response.readline():
            name, _, value = line.decode().rstrip("\n").partition(": ")
            if name and name != ":":
                found[name] = value
            elif not name and "event" in found:
                return found
        raise EOFError

    def changes(self, name: str = "changes") -> dict[str, Any]:
        """The data of the next event of this name."""
        while (event := self.event())["event"] != name:
            continue
        return json.loads(event["data"]) | {"event_id": event["id"]}

    def close(self) -> None:
        self.connection.close()
        self.response.close()
