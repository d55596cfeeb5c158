"""`manage.py parked`: what the queue put aside, because nobody may or can run it; put it back, or throw it away.

Entries are parked that are not signed with our SECRET_KEY, name a callable that is not allowed, are no packages at all,
spent their deliveries while nobody took them, or are batches that failed as a whole again and again. After the cause
is mended they can be returned: batches are booked once, whatever happened to them before. An entry of another key is
signed anew when that key is among SECRET_KEY_FALLBACKS, which for this purpose may be set for one call of this command;
without it the entry stays parked.
"""

from __future__ import annotations

import datetime as dt
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from redis import RedisError

from resilience.pages.readable import as_text, moment
from resilience.queue.admission import BAD_SIGNATURE, signed_anew
from resilience.queue.broker import StreamsBroker
from resilience.queue.streams import Parked, Streams

ALL = "all"
_OTHER_KEY = (
    "Set the same SECRET_KEY on all hosts and start them again. Then return what the other key signed with it in "
    "SECRET_KEY_FALLBACKS (or its file in SECRET_KEY_FALLBACKS_FILE): "
    "SECRET_KEY_FALLBACKS_FILE=other.key manage.py parked --return all"
)


class Command(BaseCommand):
    """Lists without an option."""

    help = "List the queue's parked entries, return them to their streams, or discard them."

    def add_arguments(self, parser: CommandParser) -> None:
        which = parser.add_mutually_exclusive_group()
        which.add_argument("--return", dest="back", metavar="ID", help="put it back into its stream; ID or `all`")
        which.add_argument("--show", metavar="ID", help="show what the last attempt raised")
        which.add_argument("--discard", metavar="ID", help="throw it away for good; ID or `all`")

    def handle(self, *args: Any, **options: Any) -> None:
        """Raises CommandError when the queue does not answer or there is no such entry."""
        streams = StreamsBroker().streams
        try:
            if options["back"]:
                self._return(streams, _chosen(streams, options["back"]))
            elif options["show"]:
                self._show(_chosen(streams, options["show"]))
            elif options["discard"]:
                done = sum(map(streams.discard_parked, _chosen(streams, options["discard"])))
                self.stdout.write(f"{done} discarded")
            else:
                self._list(streams.parked())
        except RedisError as error:
            raise CommandError(f"the queue's Redis does not answer: {error}; see QUEUE_REDIS_URL") from error

    def _return(self, streams: Streams, entries: list[Parked]) -> None:
        """Raises CommandError when some of them would only be parked again."""
        signed = [(entry, package) for entry in entries if (package := signed_anew(entry.payload))]
        done = sum(streams.unpark(entry, package) for entry, package in signed)
        self.stdout.write(f"{done} returned to their streams")
        if strange := len(entries) - len(signed):
            raise CommandError(f"{strange} stay parked: no key of this host signed them. {_OTHER_KEY}")

    def _show(self, entries: list[Parked]) -> None:
        for entry in entries:
            self.stdout.write(entry.traceback or f"{entry.entry_id}: no traceback was kept, nobody ran it")

    def _list(self, entries: list[Parked]) -> None:
        if not entries:
            self.stdout.write("nothing is parked")
            return
        heading = f"{'id':<24}{'parked at (UTC)':<22}{'stream':<14}{'feed':<20}{'attempts':>8}{'bytes':>10}  reason"
        self.stdout.write(heading)
        for entry in entries:
            at = moment(dt.datetime.fromtimestamp(entry.parked_at, dt.UTC))
            self.stdout.write(
                f"{entry.entry_id:<24}{at:<22}{entry.stream:<14}{entry.subject or '-':<20}{entry.deliveries:>8,}"
                f"{len(entry.payload):>10,}  {as_text(entry.reason.encode())}"
            )
        if any(entry.reason.startswith(BAD_SIGNATURE) for entry in entries):
            self.stdout.write(f"{BAD_SIGNATURE}: {_OTHER_KEY}")


def _chosen(streams: Streams, wanted: str) -> list[Parked]:
    """The entries meant; `all` are those there are now, up to a million. Raises CommandError for an unknown id."""
    entries = streams.parked(1_000_000)
    if wanted == ALL:
        return entries
    found = [entry for entry in entries if entry.entry_id == wanted]
    if not found:
        raise CommandError(f"no parked entry has the id {wanted}; `manage.py parked` lists them")
    return found
