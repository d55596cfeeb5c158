"""`manage.py export`: whole days of positions as files, one a day and kind, in the formats of the API.

Enters days and a format; leaves files in a directory, each written under another name first. The days come from
PostgreSQL and the archive alike; the formats are in `tracking/exports/`.
"""

import datetime as dt
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import OperationalError

from tracking.exports.fields import fields_of
from tracking.exports.formats import FORMATS, ExportFormat
from tracking.history import door
from tracking.history.door import HistorySpan
from tracking.history.engine import ArchiveUnread
from tracking.history.files.columns import KINDS
from tracking.management.commands.partitions import day_of


class Command(BaseCommand):
    """Export whole days."""

    help = "Write whole days of positions to files, one a day and kind."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Days are YYYY-MM-DD, in UTC."""
        parser.add_argument("first", type=day_of, metavar="FROM", help="the first day")
        parser.add_argument("last", type=day_of, metavar="TO", nargs="?", help="the last day, included (default: FROM)")
        parser.add_argument("--format", choices=tuple(FORMATS), default="csv", help="of the files (default: csv)")
        parser.add_argument("--kind", choices=tuple(KINDS), help="whose positions (default: both)")
        parser.add_argument("--directory", type=Path, default=Path(), help="where to (default: here)")

    def handle(self, *args: Any, **options: Any) -> None:
        """Write and print the files. Raises CommandError."""
        first, last = options["first"], options["last"] or options["first"]
        if last < first:
            raise CommandError(f"{last} is before {first}: write FROM TO.")
        form, kinds = FORMATS[options["format"]], [options["kind"]] if options["kind"] else list(KINDS)
        try:
            options["directory"].mkdir(parents=True, exist_ok=True)
            for offset in range((last - first).days + 1):
                for kind in kinds:
                    self._write(kind, first + dt.timedelta(days=offset), form, options["directory"])
        except (OSError, OperationalError, ArchiveUnread) as error:
            raise CommandError(f"{str(error).strip()}. Files that are there are whole: call it again.") from error

    def _write(self, kind: str, day: dt.date, form: ExportFormat, directory: Path) -> None:
        """The file of a day; none where there are no positions."""
        begin = dt.datetime.combine(day, dt.time(), dt.UTC)
        rows = door.stream(HistorySpan(KINDS[kind], begin, begin + dt.timedelta(days=1)))
        first = next(rows, None)
        if first is None:
            self.stdout.write(f"{kind} {day}: no positions")
            return
        path = directory / f"{kind}-{day}.{form.name}"
        unfinished = path.with_name(f".{path.name}.writing")
        with unfinished.open("wb") as file:
            for piece in form.write(fields_of(KINDS[kind]), _again(first, rows)):
                file.write(piece)
        unfinished.replace(path)
        self.stdout.write(f"{path}")


def _again(first: Any, rest: Any) -> Any:
    yield first
    yield from rest
