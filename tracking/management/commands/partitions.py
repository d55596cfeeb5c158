"""`manage.py partitions`: the day partitions of the position tables, made, dropped and listed.

Enters days (UTC); leaves a list with the rows that the planner estimates and the size on disk. Without an option it
only lists. What destroys asks first. The work is in `tracking.history.partitions` and `tracking.history.retention`;
positions without a partition lose nothing, the default keeps them.
"""

import datetime as dt
import json
import sys
from argparse import ArgumentParser, ArgumentTypeError
from dataclasses import asdict
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import OperationalError
from django.template.defaultfilters import filesizeformat

from tracking.history import partitions, retention
from tracking.history.partitions import Dropped

HEADINGS = ("PARTITION", "DAY", "ROWS (ESTIMATE)", "SIZE")


class Command(BaseCommand):
    """Make, drop and list day partitions."""

    help = "Make, drop and list the day partitions of the position tables."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Days are YYYY-MM-DD, in UTC; first is dropped, then made, then listed."""
        parser.add_argument("--ahead", type=_count, metavar="N", help="make yesterday's to the one N days from now")
        parser.add_argument("--make", nargs=2, type=day_of, metavar=("FROM", "TO"), help="make these days, TO included")
        which = parser.add_mutually_exclusive_group()
        which.add_argument("--drop-before", type=day_of, metavar="DATE", help="drop the positions of the days before")
        which.add_argument(
            "--retention", action="store_true", help="drop now what KEEP_VESSEL_/KEEP_AIRCRAFT_POSITIONS_DAYS let go"
        )
        parser.add_argument("--dry-run", action="store_true", help="change nothing, say what would be made and dropped")
        parser.add_argument("--yes", action="store_true", help="drop without asking")
        parser.add_argument("--json", action="store_true", help="print an object instead of a table")

    def handle(self, *args: Any, **options: Any) -> None:
        """Do what the options say and print the partitions. Raises CommandError."""
        try:
            today = partitions.today()
            days, edges = _days(options["make"], today, options["ahead"]), _edges(options, today)
            if options["drop_before"] is not None:
                self.stderr.write("--drop-before is your decision: neither the settings nor the clocks are asked.")
            shown = self._plan(days, edges) if options["dry_run"] else self._change(days, edges, options["yes"])
            listed = [size for table in partitions.TABLES for size in partitions.sizes(table)]
        except retention.RetentionRefused as error:
            raise CommandError(f"{error}. Set the clocks right, or name the day yourself: --drop-before.") from error
        except partitions.TooManyDays as error:
            raise CommandError(f"{error}: call it again with fewer days.") from error
        except OperationalError as error:
            raise CommandError(f"{str(error).strip()}. Nothing is half done: call it again.") from error
        if options["json"]:
            rows = [asdict(size) for size in listed]
            self.stdout.write(json.dumps({**shown, "partitions": rows}, default=str, indent=2))
            return
        self.stdout.write(_table(listed))
        self.stdout.write(("would be: " if options["dry_run"] else "") + _summary(shown))
        if shown["left"]:
            self.stdout.write(f"{shown['left']} partitions are in use and were left: call it again.")

    def _plan(self, days: set[dt.date], edges: dict[str, dt.date]) -> dict[str, Any]:
        """What would be made and dropped, with the partitions that would go."""
        going = {table: retention.expired(table, edge) for table, edge in edges.items()}
        names = [size.name for expired in going.values() for size in expired.partitions]
        made = sum(len(days - partitions.existing(table)) for table in partitions.TABLES)
        for name in names:
            self.stderr.write(f"would drop {name}")
        return _counts(made, Dropped(len(names), sum(expired.rows for expired in going.values()), 0)) | {
            "would_drop": names
        }

    def _change(self, days: set[dt.date], edges: dict[str, dt.date], agreed: bool) -> dict[str, Any]:
        """Drop and make; the counts. Raises CommandError where nobody agrees."""
        going = {table: retention.expired(table, edge) for table, edge in edges.items()}
        if not agreed and any(expired.partitions or expired.rows for expired in going.values()):
            _ask(going)
        dropped = [partitions.drop_before(table, edge) for table, edge in edges.items()]
        return _counts(partitions.make(days), Dropped(*map(sum, zip(Dropped(), *dropped, strict=True))))


def day_of(text: str) -> dt.date:
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


def _edges(options: dict[str, Any], today: dt.date) -> dict[str, dt.date]:
    """The first day that stays, by table. Raises CommandError where positions of today would go, or none ever."""
    before = options["drop_before"]
    if before is not None:
        if before > today:
            raise CommandError(f"{before} is in the future: the live days would go. {today} is the latest.")
        return dict.fromkeys(partitions.TABLES, before)
    if not options["retention"]:
        return {}
    if not retention.edges(today):
        raise CommandError(f"All is kept for ever: set {' or '.join(retention.SETTINGS.values())} above 0.")
    return retention.edges(retention.today())


def _ask(going: dict[str, retention.Expired]) -> None:
    """Ask at the terminal. Raises CommandError for any answer but yes, and where nobody can be asked."""
    size = sum(size.bytes for expired in going.values() for size in expired.partitions)
    count = sum(len(expired.partitions) for expired in going.values())
    rows = sum(expired.rows for expired in going.values())
    loss = f"{count} partitions ({_bytes(size)}) and {rows:,} rows of the default partitions"
    if not sys.stdin.isatty():
        raise CommandError(f"{loss} would be dropped for good: say --yes, or --dry-run to see them.")
    if input(f"Drop {loss} for good? [yes/no] ").strip().lower() not in ("y", "yes"):
        raise CommandError("Nothing was changed.")


def _counts(made: int, dropped: Dropped) -> dict[str, Any]:
    return {"made": made, "dropped": dropped.partitions, "deleted_rows": dropped.rows, "left": dropped.left}


def _summary(shown: dict[str, Any]) -> str:
    rows = f", {shown['deleted_rows']:,} rows of the default partitions deleted" if shown["deleted_rows"] else ""
    return f"{shown['made']} made, {shown['dropped']} dropped{rows}"


def _table(listed: list[partitions.PartitionSize]) -> str:
    lines = [HEADINGS, *map(_cells, listed)]
    widths = [max(len(line[column]) for line in lines) for column in range(4)]
    return "\n".join("  ".join(map(str.ljust, line, widths)).rstrip() for line in lines)


def _cells(size: partitions.PartitionSize) -> tuple[str, str, str, str]:
    day = size.day.isoformat() if size.day else "any other"
    rows = "not analysed" if size.rows is None else str(size.rows)
    return size.name, day, rows, _bytes(size.bytes)


def _bytes(size: int) -> str:
    return filesizeformat(size).replace("\xa0", " ")
