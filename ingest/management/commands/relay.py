"""`manage.py relay [NAME]`: send what is accepted on, by one relay or by all that are enabled."""

from __future__ import annotations

import signal
import threading
from argparse import ArgumentParser
from functools import partial
from types import FrameType
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from redis import RedisError

from ingest.models import Relay
from ingest.relays.picking import RelayRules, rules_of
from ingest.relays.runner import RelayRunner, is_running_here


class Command(BaseCommand):
    """A loop over the runner; SIGTERM and SIGINT stop it."""

    help = "Send accepted messages on: by the relay NAME, or by all enabled ones, until stopped."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Which."""
        parser.add_argument("name", nargs="?", help="name of one relay, enabled or not; left out: all enabled relays")
        parser.add_argument(
            "--check", action="store_true", help="run nothing: exit 0 if the relays of this host are being run, else 1"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Run until a signal comes. Raises CommandError for a name that there is not."""
        if options["check"]:
            self._check()
            return
        stop = threading.Event()
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                signal.signal(number, partial(_stop_soon, stop))
        name = options["name"]
        rules = None if name is None else {one_relay(name)}
        self.stderr.write(f"running {'the enabled relays' if name is None else f'relay {name}'}; Ctrl-C stops")
        RelayRunner(None if rules is None else lambda: rules).run(stop)

    def _check(self) -> None:
        """For health checks of containers. Raises CommandError."""
        try:
            running = is_running_here()
        except RedisError as error:
            raise CommandError(f"the queue's Redis does not answer: {error}; see QUEUE_REDIS_URL") from error
        if not running:
            raise CommandError("nobody runs the relays on this host: `manage.py relay` does")
        self.stdout.write("the relays of this host are being run")


def one_relay(name: str) -> RelayRules:
    """The rules of the relay with this name. Raises CommandError."""
    relay = Relay.objects.filter(name=name).first()
    if relay is None:
        known = ", ".join(Relay.objects.values_list("name", flat=True)) or "none yet: the admin makes them"
        raise CommandError(f"there is no relay {name!r}; there are {known}")
    return rules_of(relay)


def _stop_soon(stop: threading.Event, number: int, frame: FrameType | None) -> None:
    """Not in the handler itself: setting an event there can deadlock with the wait that it interrupts."""
    threading.Thread(target=stop.set, daemon=True).start()
