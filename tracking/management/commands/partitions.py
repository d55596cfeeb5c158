"""`manage.py partitions`: the day partitions of the position tables, made, dropped and listed.

Enters days (UTC); leaves a list with the rows that the planner estimates and the size on disk. Without an option it
only lists. The work is in `tracking.partitions`; positions without a partition lose nothing, the default keeps them.
"""

import datetime as dt
import json
from argparse import ArgumentParser, ArgumentTypeError
from dataclasses import asdict
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import OperationalError
from django.template.defaultfilters import filesizeformat
from django.utils import timezone

from tracking import partitions


class Command(BaseCommand):
    """Make, drop and list day partitions."""

    help = "Make, drop and list the day partitions of the position tables."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Days are YYYY-MM-DD, in UTC; first is dropped, then made, then listed."""
        parser.add_argument("--ahead", type=_count, metavar="N", help="make yesterday's to the one N days from now")
        parser.add_argument("--make", nargs=2, type=_day, metavar=("FROM", "TO"), help="make these days, TO included")
        parser.add_argument("--drop-before", type=_day, metavar="DATE", help="drop the positions of the days before")
        parser.add_argument("--json", action="store_true", help="print an object instead of a table")

    def handle(self, *args: Any, **options: Any) -> None:
        """Do what the options say and print the partitions. Raises CommandError."""
        today = timezone.now().date()
        days = _days(options["make"], today, options["ahead"])
        try:
            dropped = _drop(options["drop_before"], today)
            made = partitions.make(days)
        except partitions.TooManyDays as error:
            raise CommandError(f"{error}: call it again with fewer days.") from error
        except OperationalError as error:
            raise CommandError(f"{str(error).strip()}. Nothing is half done: call it again.") from error
        listed = [size for table in partitions.TABLES for size in partitions.sizes(table)]
        if options["json"]:
            rows = [asdict(size) for size in listed]
            self.stdout.write(json.dumps({"made": made, "dropped": dropped, "partitions": rows}, default=str, indent=2))
        else:
            self.stdout.write(f"{_table(listed)}\n{made} made, {dropped} dropped")


def _day(text: str) -> dt.date:
    try:
        return dt.date.fromisoformat(text)
    except ValueError as error:
        raise ArgumentTypeError(f"{text!r} is no day: write it as 2026-05-01") from error


def _count(text: str) -> int:
    if text.isdecimal():
        return int(text)
    raise ArgumentTypeError(f"{text!r} is no number of days")


def _days(span: list[dt.date] | None, today: dt.date, ahead: int | None) -> set[dt.date]:
    """The days to make. Raises CommandError for a span that ends before it begins."""
    days: set[dt.date] = set() if ahead is None else set(partitions.days_ahead(today, ahead))
    if span:
        first, last = span
        if last < first:
            raise CommandError(f"{last} is before {first}: write --make FROM TO.")
        days.update(first + dt.timedelta(days=offset) for offset in range((last - first).days + 1))
    return days


def _drop(before: dt.date | None, today: dt.date) -> int:
    """Partitions dropped. Raises CommandError where it would take positions of today."""
    if before is None:
        return 0
    if before > today:
        raise CommandError(f"{before} is in the future: the live days would go. {today} is the latest.")
    return sum(partitions.drop_before(table, before) for table in partitions.TABLES)


def _table(listed: list[partitions.PartitionSize]) -> str:
    lines = [("PARTITION", "DAY", "ROWS (ESTIMATE)", "SIZE"), *map(_cells, listed)]
    widths = [max(len(line[column]) for line in lines) for column in range(4)]
    return "\n".join("  ".join(map(str.ljust, line, widths)).rstrip() for line in lines)


def _cells(size: partitions.PartitionSize) -> tuple[str, str, str, str]:
    day = size.day.isoformat() if size.day else "any other"
    rows = "not analysed" if size.rows is None else str(size.rows)
    return size.name, day, rows, filesizeformat(size.bytes).replace("\xa0", " ")
