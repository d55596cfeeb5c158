"""`manage.py archive`: closed days of positions from PostgreSQL to Parquet in ARCHIVE_URL.

Enters an edge; leaves a file a day and kind, a line for each, and fewer partitions. The work is in
`tracking/history/archiving/archive.py`; a signal ends it after the day at hand, and a killed one loses nothing.
"""

import datetime as dt
import json
import signal
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import OperationalError
from django.template.defaultfilters import filesizeformat

from tracking.history import days, retention
from tracking.history.archiving import archive, archiver
from tracking.history.archiving.archive import Done
from tracking.history.files.columns import kind_of
from tracking.management.commands.partitions import day_of


class Command(BaseCommand):
    """Archive closed days."""

    help = "Move the positions of closed days from PostgreSQL to Parquet files in ARCHIVE_URL."
    stopping = False

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Days are YYYY-MM-DD, in UTC."""
        parser.add_argument(
            "--before", type=day_of, metavar="DAY", help="archive the days before (default: by ARCHIVE_AFTER_DAYS)"
        )
        parser.add_argument("--dry-run", action="store_true", help="change nothing, say which days would be archived")
        parser.add_argument("--json", action="store_true", help="print an object a day")
        parser.add_argument("--quiet", action="store_true", help="as housekeeping has it: only what the log says")

    def handle(self, *args: Any, **options: Any) -> None:
        """Archive and print. Raises CommandError."""
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._stop)
        try:
            edge = self._edge(options["before"])
            if options["dry_run"]:
                self._list(edge, options)
            else:
                self._archive(edge, options)
        except days.Busy as error:
            raise CommandError("Another archiver is at work.") from error
        except retention.RetentionRefused as error:
            raise CommandError(f"{error}. Set the clocks right, or name the day yourself: --before.") from error
        except OperationalError as error:
            raise CommandError(f"{str(error).strip()}. Nothing is half done: call it again.") from error

    def _stop(self, *_: object) -> None:
        self.stopping = True

    def _edge(self, before: dt.date | None) -> dt.date:
        """The first day that stays. Raises CommandError."""
        if before is not None:
            today = dt.datetime.now(dt.UTC).date()
            if before > today:
                raise CommandError(f"{before} is in the future: the live days would go. {today} is the latest.")
            return before
        edge = archive.edge(retention.today())
        if edge is None:
            raise CommandError("All stays in PostgreSQL: set ARCHIVE_AFTER_DAYS above 0, or say --before DAY.")
        return edge

    def _list(self, edge: dt.date, options: dict[str, Any]) -> None:
        found = archive.due(edge, dt.datetime.now(dt.UTC), at_once=True)
        for one in found:
            words = f"{kind_of(one.model)} {one.day}"
            shown = json.dumps({"kind": kind_of(one.model), "day": str(one.day), "merges": one.merges})
            self.stdout.write(shown if options["json"] else f"would archive {words}")
        if not options["json"]:
            self.stdout.write(f"{len(found)} days would be archived")

    def _archive(self, edge: dt.date, options: dict[str, Any]) -> None:
        count, failures = 0, []
        for done in archiver.run(edge, not options["quiet"], lambda: self.stopping):
            if not isinstance(done, Done):
                failures.append(str(done))
            elif not options["quiet"]:
                self.stdout.write(_line(done, options["json"]))
            count += isinstance(done, Done)
        if failures:
            raise CommandError("\n".join(failures))
        if not (options["quiet"] or options["json"]):
            self.stdout.write(f"{count} days archived")


def _line(done: Done, as_json: bool) -> str:
    if as_json:
        found = {"kind": done.kind, "day": str(done.day), "rows": done.rows, "bytes": done.bytes}
        return json.dumps({**found, "seconds": round(done.seconds, 3)})
    size = filesizeformat(done.bytes).replace("\xa0", " ")
    return f"{done.kind} {done.day}: {done.rows:,} rows, {size}, {done.bytes / done.rows:.1f} bytes a row"
