"""`manage.py web`: the web server, several processes with a few threads each, until SIGTERM."""

import os
import signal
import socket
from argparse import ArgumentParser
from functools import partial
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.core.wsgi import get_wsgi_application
from django.urls import get_resolver

from tracking.status.probes import known_migrations
from tracking.web import serving
from tracking.web.connections import WebServer


class Command(BaseCommand):
    """Serve the pages and the API; what dies is replaced, SIGTERM lets every answer end."""

    help = "Run the web server: slow and silent connections hold no thread of it."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Where it listens, and how much runs."""
        parser.add_argument("--host", default="127.0.0.1", help="address to listen on (set ALLOWED_HOSTS for others)")
        parser.add_argument("--port", type=int, default=8000, help="port to listen on (default: 8000)")
        parser.add_argument("--processes", type=int, default=2, help="processes (default: 2)")
        parser.add_argument("--threads", type=int, default=4, help="threads a process (default: 4)")

    def handle(self, *args: Any, **options: Any) -> None:
        """Run until SIGTERM or SIGINT. Raises CommandError where nobody can listen."""
        if options["processes"] < 1 or options["threads"] < 1:
            raise CommandError("--processes and --threads must be at least 1")
        try:
            sock = serving.listen(options["host"], options["port"])
        except (OSError, OverflowError) as error:
            raise CommandError(f"Cannot listen on {options['host']}, port {options['port']}: {error}") from error
        application = get_wsgi_application()
        preload()
        parent = os.getpid()
        serving.ServerCrew(partial(serve, application, sock, options["threads"], parent), options["processes"]).run()


def preload() -> None:
    """Import what requests need, once: no first request of a process waits for it, and children share the memory."""
    get_resolver().url_patterns  # noqa: B018 (read for what it imports)
    known_migrations()


def serve(application: Any, sock: socket.socket, threads: int, parent: int) -> None:
    """In a process of its own: answer until SIGTERM, or until the parent is gone."""
    server = WebServer(
        application,
        sock,
        threads=threads,
        connections=settings.WEB_CONNECTIONS,
        connections_per_address=0 if settings.BEHIND_PROXY else settings.WEB_CONNECTIONS_PER_ADDRESS,
    )
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: server.stop())
    server.run(lambda: os.getppid() == parent)
