"""`manage.py accounts`: what became of every line and message, per feed and day; exit code 1 when they do not add up.

Enter the ledger and its closed days; leave a table or JSON, and on the way the number of batches that are accepted and
not booked yet. Nothing is written.
"""

from __future__ import annotations

import datetime as dt
import logging
from typing import Any

import msgspec
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import InterfaceError, OperationalError, ProgrammingError
from django.utils.dateparse import parse_date
from django_q.brokers import get_broker
from redis import RedisError

from ingest.ledger.accounts import Account, AccountSelection, by_day, total, violations
from resilience.queue.streams import LIVE, REPLAY
from resilience.spool.spool import SpoolUnusable, get_spool
from tracking.checks import SETTINGS

logger = logging.getLogger(__name__)

SHOWN = ("batches", "lines", "messages", "positions", "stored", "merged", "duplicate", "dead", "discarded")
HEADINGS = (*SHOWN, "rejected", "malformed")

Days = dict[dt.date, Account]


class Command(BaseCommand):
    """Sums over the ledger."""

    requires_system_checks = [SETTINGS]
    help = "Show the accounts of all feeds, or of one, and check that every equation holds on every day."

    def add_arguments(self, parser: CommandParser) -> None:
        """Days are those of the booking, UTC."""
        parser.add_argument("--source", metavar="LABEL", help="only this feed")
        parser.add_argument("--day", metavar="YYYY-MM-DD", help="only batches booked on this day (UTC)")
        parser.add_argument("--since", metavar="YYYY-MM-DD", help="only batches booked on this day or later")
        parser.add_argument("--until", metavar="YYYY-MM-DD", help="only batches booked on this day or earlier")
        parser.add_argument("--by-day", action="store_true", help="a row for each feed and day")
        parser.add_argument("--json", action="store_true", help="print one object: feeds, waiting, violations")

    def handle(self, *args: Any, **options: Any) -> None:
        """Print the accounts. Raises CommandError where an equation does not hold."""
        found = _accounts(_selection(options))
        if options["source"] and not found:
            raise CommandError(f"no batch of {options['source']!r} is booked then; the admin lists the feeds")
        wrong = _violations(found)
        waiting = _waiting()
        if options["json"]:
            self.stdout.write(_json(found, waiting, wrong, options["by_day"]))
        else:
            self.stdout.write(_table(found, options["by_day"]))
            self.stdout.write(_in_words(waiting))
        if wrong:
            raise CommandError("the accounts do not add up:\n" + "\n".join(wrong))


def _accounts(selection: AccountSelection) -> dict[str, Days]:
    """The accounts. Raises CommandError when PostgreSQL cannot tell them."""
    try:
        return by_day(selection)
    except (OperationalError, InterfaceError) as error:
        raise CommandError(f"PostgreSQL does not answer, so the ledger cannot be read: {str(error).strip()}") from error
    except ProgrammingError as error:
        raise CommandError(f"The ledger is not there: {str(error).strip()} Run manage.py migrate.") from error


def _selection(options: dict[str, Any]) -> AccountSelection:
    """Which accounts the options name. Raises CommandError for days that are none."""
    day, since, until = (_day(options[name], name) for name in ("day", "since", "until"))
    if day and (since or until):
        raise CommandError("--day goes without --since and --until")
    if since and until and until < since:
        raise CommandError(f"--until {until} is before --since {since}")
    return AccountSelection(options["source"], day or since, day or until)


def _day(text: str | None, name: str) -> dt.date | None:
    if text is None:
        return None
    try:
        day = parse_date(text)
    except ValueError as error:
        raise CommandError(f"--{name}: {error}") from error
    if day is None:
        raise CommandError(f"--{name} must be a date such as 2026-01-01")
    return day


def _violations(found: dict[str, Days]) -> list[str]:
    """Feed, day and equation of all that does not hold."""
    return [
        f"{source} on {day}: {text}"
        for source, days in found.items()
        for day, booked in days.items()
        for text in violations(booked)
    ]


def _waiting() -> dict[str, int | None]:
    """Batches accepted and not booked, by where they are; None: it does not say. Each host has a spool of its own."""
    return {"queue": _in_queue(), "spool": _in_spool()}


def _in_queue() -> int | None:
    try:
        depths = get_broker().depths()
    except RedisError as error:
        logger.warning("the queue's Redis does not answer: %s", error)
        return None
    return sum(int(depths[stream].waiting + depths[stream].pending) for stream in (LIVE, REPLAY))


def _in_spool() -> int | None:
    try:
        return get_spool().depth().entries
    except SpoolUnusable as error:
        logger.warning("the spool cannot be read: %s", error)
        return None


def _in_words(waiting: dict[str, int | None]) -> str:
    queue, spool = ("an unknown number of" if number is None else f"{number:,}" for number in waiting.values())
    return f"not booked yet: {queue} batches in the queue, {spool} in the spool of this host"


def _json(found: dict[str, Days], waiting: dict[str, int | None], wrong: list[str], by_days: bool) -> str:
    feeds = {
        source: {str(day): booked for day, booked in days.items()} if by_days else total(days.values())
        for source, days in found.items()
    }
    return msgspec.json.encode({"feeds": feeds, "waiting": waiting, "violations": wrong}).decode()


def _table(found: dict[str, Days], by_days: bool) -> str:
    first = ("feed", "day") if by_days else ("feed",)
    rows = [(*first, *HEADINGS)]
    for source, days in found.items():
        if by_days:
            rows += [(source, str(day), *_numbers(booked)) for day, booked in days.items()]
        else:
            rows.append((source, *_numbers(total(days.values()))))
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if column < len(first) else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in rows
    )


def _numbers(booked: Account) -> list[str]:
    sums = [getattr(booked, name) for name in SHOWN]
    return [f"{number:,}" for number in (*sums, sum(booked.rejected.values()), sum(booked.malformed.values()))]
