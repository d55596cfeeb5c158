"""`manage.py stream`: serve `/api/stream/`, live changes and events as Server-Sent Events, until SIGTERM."""

from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.asgi import get_asgi_application
from django.core.management.base import BaseCommand, CommandError

from tracking.streams import server


class Command(BaseCommand):
    """Serve streams; SIGTERM ends them, and clients come again."""

    help = "Run the server of /api/stream/, beside the web server; a proxy makes one address of both."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Where it listens."""
        parser.add_argument("--host", default="127.0.0.1", help="address to listen on (set ALLOWED_HOSTS for others)")
        parser.add_argument("--port", type=int, default=8001, help="port to listen on (default: 8001)")

    def handle(self, *args: Any, **options: Any) -> None:
        """Run until SIGTERM or SIGINT. Raises CommandError where nobody can listen."""
        try:
            sock = server.listen(options["host"], options["port"])
        except (OSError, OverflowError) as error:
            raise CommandError(f"Cannot listen on {options['host']}, port {options['port']}: {error}") from error
        server.made(get_asgi_application(), settings.STREAM_CLIENTS).run(sockets=[sock])
