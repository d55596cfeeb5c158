"""`manage.py ingest`: take one source in, or run all enabled feeds."""

from __future__ import annotations

import asyncio
import datetime as dt
import signal
import sys
import threading
import time
from collections import Counter
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils.dateparse import parse_datetime
from redis import RedisError

from ingest.acceptance.contract import Acceptance, Interrupted
from ingest.acceptance.inline import InlineAcceptance
from ingest.acceptance.queue import QueueAcceptance
from ingest.clocks import Clock, UnknownTime, arrival_clock, invented_clock, recorded_clock
from ingest.feeds.collector import Collector, Options
from ingest.feeds.progress import Progress
from ingest.feeds.runner import FeedRunner, is_running_here
from ingest.feeds.sniffing import UnknownFormat
from ingest.formats.ais_csv.dialects import parse_columns
from ingest.formats.registry import FORMATS, refusal
from ingest.ledger import waiting
from ingest.ledger.accounts import summary, violations
from ingest.models import Format
from ingest.sources import label_of, open_source
from ingest.sources.common.contract import Source, SourceError
from resilience import garbage
from resilience.spool import drain
from tracking.checks import SETTINGS


class Command(BaseCommand):
    """Loops over the collector; the summary at the end comes from the ledger."""

    requires_system_checks = [SETTINGS]
    help = (
        "Take in one source: a file (plain or packed), - for standard input, tcp://host:port, "
        "tcp-listen://address:port, udp://address:port, http(s)://host/aircraft.json, or sim://?ships=60. "
        "Without a source: run all enabled feeds until stopped."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("source", nargs="?", help="where the bytes come from; left out: all enabled feeds")
        parser.add_argument("--format", choices=list(FORMATS), help="what the bytes are (default: what they look like)")
        parser.add_argument("--receiver", metavar="LAT,LON", help="antenna in degrees; Mode S on the ground needs it")
        parser.add_argument("--columns", metavar="FIELD=COLUMN,…", help="of a CSV whose header nobody knows")
        parser.add_argument("--zone", default="UTC", help="of times that name none, as in SBS recordings (default UTC)")
        parser.add_argument("--label", help="source label of the positions (default: made of the source)")
        parser.add_argument("--score", type=int, default=80, help="trust of the source, 1 to 100 (default 80)")
        parser.add_argument("--inline", action="store_true", help="run the pipeline in this process, without the queue")
        parser.add_argument("--once", action="store_true", help="end when a tcp:// source hangs up")
        parser.add_argument("--limit", type=int, metavar="N", help="stop after N messages")
        parser.add_argument(
            "--start", metavar="TIME", help="a recording without times: message i was heard at TIME + i/RATE"
        )
        parser.add_argument("--rate", type=float, help="messages a second for --start (default 100)")
        parser.add_argument("--realtime", action="store_true", help="play a recording at its own pace, as if heard now")
        when = parser.add_mutually_exclusive_group()
        when.add_argument("--live", action="store_true", help="what is read is being heard now (default for networks)")
        when.add_argument("--recorded", action="store_true", help="what is read is of the past (default for files)")
        parser.add_argument("--resume", action="store_true", help="go on where the last run of this file was accepted")
        parser.add_argument(
            "--no-wait", action="store_true", help="do not wait until the workers have booked everything"
        )
        parser.add_argument(
            "--check", action="store_true", help="run nothing: exit 0 if the feeds of this host are being run, else 1"
        )
        parser.add_argument(
            "--json", action="store_true", help="print the account as one JSON object, as the last line"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        if options["check"]:
            self._check()
            return
        if options["source"] is None:
            self._run_feeds()
            return
        try:
            source = open_source(options["source"], once=options["once"], label=_shared_label(options))
            settings = self._settings(source, options)
        except SourceError as error:
            raise CommandError(str(error)) from error
        give_up = threading.Event()
        acceptance = InlineAcceptance(give_up) if options["inline"] else QueueAcceptance(give_up)
        if options["resume"]:
            settings = _resumed(settings, source, acceptance, give_up)
        if not options["inline"]:
            drain.look()
        self._ingest(source, settings, acceptance, give_up, options)

    def _check(self) -> None:
        """For health checks of containers. Raises CommandError."""
        try:
            running = is_running_here()
        except RedisError as error:
            raise CommandError(f"the queue's Redis does not answer: {error}; see QUEUE_REDIS_URL") from error
        if not running:
            raise CommandError("nobody runs the feeds on this host: `manage.py ingest` does")
        self.stdout.write("the feeds of this host are being run")

    def _run_feeds(self) -> None:
        garbage.collect_seldom()
        self.stderr.write("running the enabled feeds; Ctrl-C stops")
        asyncio.run(_until_signalled(FeedRunner().run, threading.Event()))

    def _settings(self, source: Source, options: dict[str, Any]) -> Options:
        """What the options come to. Raises CommandError for those that contradict each other."""
        if options["limit"] is not None and options["limit"] < 1:
            raise CommandError("--limit must be 1 or more")
        if not 1 <= options["score"] <= 100:
            raise CommandError("--score must lie between 1 and 100")
        if options["resume"] and not source.recorded:
            raise CommandError("--resume is for files: a live source has no place to go on from")
        paced = options["realtime"]
        recorded = (source.recorded or options["recorded"]) and not options["live"]
        return Options(
            source=(options["label"] or label_of(options["source"]))[:32],
            clock=clock_of(options, recorded),
            format=format_of(options),
            columns=columns_of(options),
            zone=zone_of(options),
            trust=options["score"],
            recorded=recorded and not paced,
            invented=bool(options["start"]) or paced,
            live=not recorded or paced,
            limit=options["limit"],
            paced=paced and recorded,
            receiver=receiver_of(options["receiver"]),
        )

    def _ingest(
        self,
        source: Source,
        settings: Options,
        acceptance: Acceptance,
        give_up: threading.Event,
        options: dict[str, Any],
    ) -> None:
        """Run the collector to its end, wait for the booking, print the account."""
        garbage.collect_seldom()
        began = time.monotonic()
        progress = Progress(source, self.stderr, quiet=options["json"] and not sys.stderr.isatty())
        outstanding = waiting.Outstanding()
        collector = Collector(
            source, settings, acceptance, lambda: progress.show(collector.messages), on_accepted=outstanding.add
        )
        failure = None
        try:
            asyncio.run(_until_signalled(collector.run, give_up))
        except (SourceError, UnknownFormat) as error:
            failure = str(error)
        except UnknownTime:
            failure = f"{options['source']} gives no times" + (
                "" if options["start"] else ": say when it began, as in --start 2026-01-01T00:00:00Z --rate 100"
            )
        except Interrupted:
            failure = "stopped while a batch could not be stored; what was accepted before is safe, --resume goes on"
        finally:
            progress.close()
        if options["no_wait"]:
            give_up.set()
        try:
            left, booked = waiting.close(collector, outstanding, give_up, self.stderr.write)
        except waiting.Unread as error:
            raise CommandError("\n".join([*([failure] if failure else []), str(error)])) from error
        wrong = []
        if waiting.outlived_the_ledger(time.monotonic() - began):
            self.stderr.write("the run is older than the lines of the ledger; `manage.py accounts` has its daily sums")
        else:
            wrong = violations(booked, collector.counts, collector.accepted, left)
        shown = summary(booked, collector.counts, collector.accepted, left, time.monotonic() - began)
        if failure is None or collector.accepted:
            self.stdout.write(msgspec.json.encode(shown).decode() if options["json"] else table_of(shown))
        if failure is None and not left:
            failure = used_nothing(shown, _head(source), collector.format, options["format"] is not None)
        if failure or wrong:
            raise CommandError("\n".join([*([failure] if failure else []), *wrong]))


async def _until_signalled(run: Any, give_up: threading.Event) -> None:
    """Run until done; the first signal asks for a flush, the second gives up what cannot be stored."""
    stop = asyncio.Event()

    def signalled() -> None:
        if stop.is_set():
            give_up.set()
        stop.set()

    if threading.current_thread() is threading.main_thread():
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, signalled)
    await run(stop)


def _head(source: Source) -> bytes:
    try:
        return source.head()
    except SourceError:
        return b""


def _shared_label(options: dict[str, Any]) -> str | None:
    """Under which name the source shares its circuit breaker; --inline needs no Redis, so it has one of its own."""
    return None if options["inline"] else options["label"] or label_of(options["source"])


def clock_of(options: dict[str, Any], recorded: bool) -> Clock:
    """Which clock tells when a message was heard."""
    if options["rate"] is not None and not options["start"]:
        raise CommandError("--rate goes with --start")
    if not options["start"]:
        return recorded_clock() if recorded else arrival_clock
    try:
        start = parse_datetime(options["start"])
    except ValueError as error:
        raise CommandError(f"--start: {error}") from error
    rate = 100.0 if options["rate"] is None else options["rate"]
    if start is None:
        raise CommandError("--start must be a time such as 2026-01-01T00:00:00Z")
    if rate <= 0:
        raise CommandError("--rate must be above 0")
    start = start if start.tzinfo else start.replace(tzinfo=dt.UTC)
    return invented_clock(round(start.timestamp() * 1000), rate)


def receiver_of(text: str | None) -> tuple[float, float] | None:
    """Latitude and longitude in degrees. Raises CommandError for anything else."""
    if text is None:
        return None
    try:
        latitude, longitude = (float(part) for part in text.split(","))
    except ValueError as error:
        raise CommandError("--receiver must be latitude,longitude such as 52.0,4.1") from error
    if not (-90 <= latitude <= 90 and -180 <= longitude <= 180):
        raise CommandError("--receiver must lie on the globe: latitude -90 to 90, longitude -180 to 180")
    return latitude, longitude


def format_of(options: dict[str, Any]) -> str | None:
    """The format that was said; columns are those of a CSV. Raises CommandError where it cannot travel that way."""
    kind = options["format"] or (Format.AIS_CSV.value if options["columns"] else None)
    reason = refusal(kind or "", str(options.get("source") or "").partition("://")[0])
    if reason is not None:
        raise CommandError(reason)
    return kind


def columns_of(options: dict[str, Any]) -> dict[str, str]:
    """Names of columns by what is in them. Raises CommandError."""
    try:
        return parse_columns(options["columns"]) if options["columns"] else {}
    except ValueError as error:
        raise CommandError(f"--{error}") from error


def zone_of(options: dict[str, Any]) -> str:
    """The name of a zone. Raises CommandError for one that there is not."""
    try:
        return ZoneInfo(options["zone"]).key
    except (ValueError, ZoneInfoNotFoundError) as error:
        raise CommandError(f"--zone: {error}") from error


def used_nothing(shown: dict[str, Any], seen: bytes, kind: str | None, given: bool) -> str | None:
    """Why a run ends with an error that read something and used none of it; None where it did.

    `seen`: the first bytes; `given`: the format was said by the user.
    """
    used = sum(shown.get(name, 0) for name in ("positions", "static", "stations", "other"))
    if used or not shown.get("lines") or shown.get("lines") == shown.get("foreign", 0) == 0:
        return None
    reasons = Counter(shown.get("malformed") or {}) + Counter(shown.get("rejected") or {})
    if not reasons and not shown.get("foreign"):
        return None
    most = ", ".join(f"{reason} {count:,}" for reason, count in reasons.most_common(1)) or "no line of this format"
    other = "another --format" if given else "--format, if it is another"
    return (
        f"nothing of it could be used. It begins with {seen[:60]!r}; it was read as {kind}; "
        f"the most frequent reason: {most}. Try {other}."
    )


def _resumed(settings: Options, source: Source, acceptance: Acceptance, give_up: threading.Event) -> Options:
    try:
        with waiting.interruptible(give_up):
            point = acceptance.resume_point(settings.source, source.origin)
    except Interrupted as error:
        raise CommandError("stopped before the place to go on from was known; nothing was read") from error
    if point is None:
        return settings
    known = settings.format or point.format
    return msgspec.structs.replace(
        settings, format=known, offset=point.offset, index=point.index, accepted_after=point.accepted_at
    )


def table_of(shown: dict[str, Any]) -> str:
    """The account for a person: one line a number, reasons indented."""
    rows = []
    for name, value in shown.items():
        if isinstance(value, dict):
            rows.append(f"{name:<12}{sum(value.values()):>12,}")
            rows += [f"  {reason:<24}{count:>10,}" for reason, count in sorted(value.items())]
        else:
            rows.append(f"{name:<12}{value:>12,}")
    if shown["seconds"]:
        rows.append(f"{'per second':<12}{shown['messages'] / shown['seconds']:>12,.0f}")
    return "\n".join(rows)
