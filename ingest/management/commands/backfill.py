"""`manage.py backfill`: take files in at the speed of the machine."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import msgspec
from django.core.management.base import BaseCommand, CommandError, CommandParser

from ingest.backfill.progress import BackfillProgress
from ingest.backfill.reading import Reading
from ingest.backfill.run import Backfill, BackfillFailed, FileOutcome, Stop, Stopped
from ingest.feeds.collector import Options
from ingest.feeds.sniffing import UnknownFormat
from ingest.formats.registry import FORMATS
from ingest.ledger import accounts
from ingest.management.commands.ingest import clock_of, columns_of, format_of, receiver_of, table_of, zone_of
from ingest.sources import label_of
from ingest.sources.common.contract import SourceError
from resilience import garbage
from tracking.checks import SETTINGS

GOES_ON = "what is stored stays, the same command goes on from there"


class Command(BaseCommand):
    """Parses, runs a Backfill over the files, prints what the ledger says."""

    requires_system_checks = [SETTINGS]
    help = (
        "Store files of the past (plain or packed, any format) with several processes, leaving live state alone. "
        "The same command again goes on where the last one was stopped or killed; nothing is lost or stored twice."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("files", nargs="+", metavar="FILE", help="taken in one after the other")
        parser.add_argument("--format", choices=list(FORMATS), help="what the bytes are (default: what they look like)")
        parser.add_argument("--receiver", metavar="LAT,LON", help="antenna in degrees; Mode S on the ground needs it")
        parser.add_argument("--columns", metavar="FIELD=COLUMN,…", help="of a CSV whose header nobody knows")
        parser.add_argument("--zone", default="UTC", help="of times that name none, as in SBS recordings (default UTC)")
        parser.add_argument("--label", help="source label of the positions (default: made of each file's name)")
        parser.add_argument("--score", type=int, default=80, help="trust of the source, 1 to 100 (default 80)")
        parser.add_argument(
            "--start", metavar="TIME", help="a recording without times: message i was heard at TIME + i/RATE"
        )
        parser.add_argument("--rate", type=float, help="messages a second for --start (default 100)")
        parser.add_argument("--processes", type=int, help="workers beside this process (default: one a core)")
        parser.add_argument("--json", action="store_true", help="print the account of each file as one JSON object")

    def handle(self, *args: Any, **options: Any) -> None:
        _check(options)
        processes = options["processes"] or _cores()
        try:
            for file in options["files"]:  # a wrong name is told before hours of work
                _reading(file, options).open()
        except (SourceError, UnknownFormat) as error:
            raise CommandError(str(error)) from error
        garbage.collect_seldom()
        progress = BackfillProgress(self.stderr, quiet=options["json"] and not sys.stderr.isatty())
        with _stopping() as stop:
            backfill = Backfill(processes, stop, progress)
            try:
                for file in options["files"]:
                    if not self._take(backfill, file, _reading(file, options), progress, options["json"]):
                        break
            except (SourceError, UnknownFormat) as error:
                raise CommandError(str(error)) from error
            except BackfillFailed as error:
                raise CommandError(f"{error}. {GOES_ON.capitalize()}.") from error
            except Stopped as error:
                left = backfill.crew.in_hand
                raise CommandError(f"given up with {left:,} messages not stored yet: {GOES_ON}") from error
            finally:
                progress.close()
                backfill.close()

    def _take(self, backfill: Backfill, file: str, reading: Reading, progress: BackfillProgress, json: bool) -> bool:
        """One file; whether the next may follow."""
        began = time.monotonic()
        progress.begin(file)
        try:
            outcome = backfill.take(reading)
        finally:
            progress.close()
        self._show(file, outcome, time.monotonic() - began, json)
        wrong = [*([f"{file}: {outcome.error}"] if outcome.error else []), *outcome.violations()]
        if wrong:
            raise CommandError("\n".join(wrong))
        if not outcome.whole:
            place = outcome.place
            read = f"{place[0] / place[1]:.0%} of " if place and place[1] else ""
            self.stderr.write(f"stopped after {read}{file} was read: {GOES_ON}")
        return outcome.whole

    def _show(self, file: str, outcome: FileOutcome, seconds: float, json: bool) -> None:
        """The account of this run and the earlier ones of the same command."""
        numbers = accounts.summary(outcome.booked, outcome.counts, outcome.accepted, 0, seconds)
        if json:
            shown = {"file": file, "whole": outcome.whole, "already": outcome.already, **numbers}
            self.stdout.write(msgspec.json.encode(shown).decode())
            return
        if outcome.already:
            self.stdout.write(f"{file}: {outcome.already:,} of {outcome.accepted:,} messages were there already")
        self.stdout.write(f"{file}\n{table_of(numbers)}")


def _cores() -> int:
    """Those that this process may use, where the system tells."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _check(options: dict[str, Any]) -> None:
    """Raises CommandError for options that cannot be."""
    if options["processes"] is not None and not 1 <= options["processes"] <= 256:
        raise CommandError("--processes must lie between 1 and 256")
    if not 1 <= options["score"] <= 100:
        raise CommandError("--score must lie between 1 and 100")
    if options["start"] and len(options["files"]) > 1:
        raise CommandError("--start says when one file began: give the files one by one")


def _reading(file: str, options: dict[str, Any]) -> Reading:
    """How a file is read. Raises SourceError, and CommandError for options that contradict each other."""
    receiver = receiver_of(options["receiver"])
    how = Options(
        source=(options["label"] or label_of(file))[:32],
        clock=clock_of(options, recorded=True),
        format=format_of(options),
        columns=columns_of(options),
        zone=zone_of(options),
        trust=options["score"],
        recorded=True,
        invented=bool(options["start"]),
        live=False,
        receiver=receiver,
    )
    made_by = f"{options['start']} {options['rate']} {receiver}"
    if options["columns"] or options["zone"] != "UTC":
        made_by += f" {options['columns']} {options['zone']}"
    return Reading(file, how, lambda: clock_of(options, recorded=True), made_by)


@contextmanager
def _stopping() -> Iterator[Stop]:
    """The first signal ends the reading, the second the waiting."""
    stop = Stop(threading.Event(), threading.Event())

    def signalled(*_: object) -> None:
        if stop.reading.is_set():
            stop.waiting.set()
        stop.reading.set()

    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    before = {number: signal.signal(number, signalled) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
