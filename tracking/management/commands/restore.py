"""`manage.py restore DAY`: an archived day back from ARCHIVE_URL to PostgreSQL, where it stays for a week.

Enters days (UTC); leaves their partitions. The work is in `tracking/history/archiving/restore.py`. History is read
from the archive as well: a day is restored to be changed, or to be asked by SQL.
"""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import OperationalError

from tracking.history import days
from tracking.history.archiving import restore
from tracking.history.days import ArchiveFailed
from tracking.history.files.columns import KINDS
from tracking.management.commands.partitions import day_of


class Command(BaseCommand):
    """Restore archived days."""

    help = "Bring archived days of positions back to PostgreSQL, for a week."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Days are YYYY-MM-DD, in UTC."""
        parser.add_argument("days", nargs="+", type=day_of, metavar="DAY", help="the days")
        parser.add_argument("--kind", choices=tuple(KINDS), help="whose positions (default: both)")

    def handle(self, *args: Any, **options: Any) -> None:
        """Restore and print. Raises CommandError."""
        kinds = [options["kind"]] if options["kind"] else list(KINDS)
        try:
            with days.alone():
                counts = [self._restore(day, kinds) for day in options["days"]]
        except days.Busy as error:
            raise CommandError("An archiver is at work: call it again when it is done.") from error
        except ArchiveFailed as error:
            raise CommandError(str(error)) from error
        except OperationalError as error:
            raise CommandError(f"{str(error).strip()}. Nothing is half done: call it again.") from error
        if not any(counts):
            raise CommandError("None of these days is in the archive.")

    def _restore(self, day: Any, kinds: list[str]) -> int:
        """How many of the kinds were archived of this day."""
        restored = 0
        for kind in kinds:
            try:
                rows = restore.bring_back(KINDS[kind], day)
            except restore.NotArchived as error:
                self.stderr.write(f"{error}")
            else:
                restored += 1
                self.stdout.write(f"{kind} {day}: {rows:,} rows restored")
        return restored
