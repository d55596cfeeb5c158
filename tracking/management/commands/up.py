"""`manage.py up`: the whole system on one machine, ready to look at, until Ctrl-C.

Prepares (embedded servers, migrations, checks, partitions, static files; on the first run an administrator and a
simulated feed), then runs ingest, relays, workers and web through `tracking.embedded.supervisor`. Everything here can
be done by the other commands one by one; production runs them under its own supervisor (docker-compose.yml shows how).
"""

import io
import logging
import os
import secrets
import signal
import socket
import sys
import time
from argparse import ArgumentParser
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

from django.apps import apps
from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError
from django.db import OperationalError, connections

from tracking import embedded
from tracking.embedded.installation import AlreadyRunning, Installation
from tracking.embedded.supervisor import Program, Revival, Supervisor
from tracking.history import partitions
from tracking.management.commands.services import external_services

POLL_SECONDS = 0.2
# What moves on a first run, before a receiver is connected: name, address, format, source label.
SIMULATED = (
    ("Simulated ships", "sim://?ships=60", "nmea", "sim-ships"),
    ("Simulated aircraft", "sim://?aircraft=30", "sbs", "sim-aircraft"),
)
PAGES = {"Admin": "/admin/", "API": "/api/docs/"}


class Command(BaseCommand):
    """Prepare everything, run ingest, relays, workers and web, restart what dies; Ctrl-C stops all."""

    help = "Run the whole system here: prepares everything, then runs ingest, relays, workers and web until Ctrl-C."
    requires_system_checks: list[str] = []
    stopping = False

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Where the web server listens, and how much runs."""
        parser.add_argument("--host", default="127.0.0.1", help="address to listen on (set ALLOWED_HOSTS for others)")
        parser.add_argument("--port", type=int, default=8000, help="port of the web server (default: 8000)")
        parser.add_argument("--stream-port", type=int, help="port of /api/stream/ (default: the one after --port)")
        parser.add_argument("--workers", type=int, help="worker processes (default: WORKERS, else 2)")
        parser.add_argument("--no-simulator", action="store_true", help="make no simulated feed on the first run")

    def handle(self, *args: Any, **options: Any) -> None:
        """Run until SIGINT, SIGTERM or SIGHUP. Raises CommandError where something must be changed first."""
        if options["workers"] is not None and options["workers"] < 1:
            raise CommandError("--workers must be at least 1")
        self._catch_signals()
        try:
            with Installation.locked(settings.DATA_DIR) as installation:
                options["stream_port"] = options["stream_port"] or options["port"] + 1
                require_free_port(options["host"], options["port"])
                require_free_port(options["host"], options["stream_port"])
                with self._servers(installation):
                    self._prepare(options)
                    connections.close_all()
                    self._run(options, installation)
        except (AlreadyRunning, embedded.EmbeddedError, OperationalError) as error:
            raise CommandError(str(error)) from error

    def _catch_signals(self) -> None:
        """A flag and no threading.Event: setting one in a handler can deadlock with the wait it interrupts."""

        def stop(signum: int, frame: FrameType | None) -> None:
            self.stopping = True

        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, stop)
        if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # nohup asks to outlive the terminal
            signal.signal(signal.SIGHUP, stop)

    @contextmanager
    def _servers(self, installation: Installation) -> Iterator[None]:
        """The embedded servers of all services without a URL; afterwards those stop that we started."""
        external = external_services()
        try:
            installation.start_servers([name for name in embedded.SERVICES if name not in external])
            yield
        finally:
            connections.close_all()
            installation.stop_servers()

    def _prepare(self, options: dict[str, Any]) -> None:
        """Every step is repeatable; a signal ends it after the step at hand."""
        steps: list[Callable[[], object]] = [
            lambda: call_command("migrate", database="direct", interactive=False, verbosity=0),
            lambda: call_command("check", databases=["default"], stdout=io.StringIO()),
            make_partitions,
            lambda: call_command("collectstatic", interactive=False, verbosity=0),
            lambda: self._first_run(simulator=not options["no_simulator"]),
        ]
        for step in steps:
            if not self.stopping:
                step()

    def _first_run(self, simulator: bool) -> None:
        """The first run is one without any administrator: whoever deletes the simulated feed later keeps it deleted."""
        users = get_user_model()._default_manager
        if users.filter(is_superuser=True).exists():
            return
        feeds = apps.get_model("ingest", "Feed")._default_manager
        if simulator and not feeds.exists():
            for name, url, form, source in SIMULATED:
                feeds.create(name=name, url=url, format=form, source=source)
        if users.filter(username="admin").exists():
            self._say("There is no administrator yet: make one with manage.py createsuperuser")
            return
        password = secrets.token_urlsafe(12)
        users.create_superuser("admin", "", password)
        self._say(f"Administrator made: user admin, password {password} (shown only now; change it in the admin)")

    def _run(self, options: dict[str, Any], installation: Installation) -> None:
        supervisor = Supervisor(
            programs(options["host"], options["port"], options["workers"], options["stream_port"]), self._say
        )
        revival = Revival(installation.restart_dead_servers, self._say)
        announced = False
        try:
            if not self.stopping:
                supervisor.start(time.monotonic())
            while not self.stopping:
                supervisor.restart_dead(time.monotonic())
                revival.look(time.monotonic())
                if not announced and answers(options["host"], options["port"]):
                    announced = self._announce(options["host"], options["port"])
                time.sleep(POLL_SECONDS)
        finally:
            supervisor.stop()

    def _announce(self, host: str, port: int) -> bool:
        name = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, f"[{host}]" if ":" in host else host)
        for title, path in PAGES.items():
            self._say(f"{title:6} http://{name}:{port}{path}")
        self._say("Ctrl-C stops everything.")
        return True

    def _say(self, line: str) -> None:
        """Print a line; where the terminal is gone, go on without one rather than leave processes behind."""
        try:
            self.stdout.write(line)
            self.stdout.flush()
        except OSError:
            silence = os.open(os.devnull, os.O_WRONLY)
            for stream in (sys.__stdout__, sys.__stderr__):
                if stream is not None:
                    os.dup2(silence, stream.fileno())


def make_partitions() -> None:
    """Make the partitions of the days ahead, without a line in the log for each of them."""
    logging.getLogger(partitions.__name__).setLevel(logging.WARNING)
    partitions.make_ahead(partitions.today())


def programs(host: str, port: int, workers: int | None, stream_port: int) -> list[Program]:
    """What `up` runs, in the order of stopping: ingest hands over what it holds, workers finish, web goes last."""
    manage = [sys.executable, str(settings.BASE_DIR / "manage.py")]
    # The children may have another working directory than the one a relative DATA_DIR was meant for.
    here = {"DATA_DIR": str(settings.DATA_DIR)}
    web = dict(here)
    if not {"LIVE_PUBLIC", "LIVE_PUBLIC_FILE"} & os.environ.keys():
        web["LIVE_PUBLIC"] = "true"
    stream = dict(web)
    web["STREAM_PORT"] = str(stream_port)
    return [
        Program("ingest", [*manage, "ingest"], here),
        Program("relays", [*manage, "relay"], here),
        Program("workers", [*manage, "workers"], here if workers is None else {**here, "WORKERS": str(workers)}),
        Program("stream", [*manage, "stream", f"--host={host}", f"--port={stream_port}"], stream),
        Program("web", [*manage, "web", f"--host={host}", f"--port={port}"], web),
    ]


def require_free_port(host: str, port: int) -> None:
    """Raises CommandError where the web server could not listen, before anything is started."""
    if not 0 < port < 65536:  # getaddrinfo would take the remainder
        raise CommandError(f"There is no port {port}: --port takes 1 to 65535.")
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as error:
        message = f"Cannot listen on {host}, port {port} ({error.strerror}): choose others with --port or --host."
        raise CommandError(message) from error


def answers(host: str, port: int) -> bool:
    """Whether the web server takes connections."""
    try:
        socket.create_connection((host, port), timeout=1.0).close()
    except OSError:
        return False
    return True
