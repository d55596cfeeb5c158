"""`manage.py judge`: judge what was stored, or a time of history anew, after a rule was changed.

Enters nothing, or a time and maybe an identity; leaves how many positions were read and numbers changed. With --dry-run
everything is done and undone, and what would change is printed by reason.
"""

import datetime as dt
import json
from argparse import ArgumentTypeError
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import OperationalError, connection, transaction

from tracking import search
from tracking.truth import judge, notes
from tracking.truth.models import PositionKind
from tracking.truth.notes import Touched
from tracking.truth.reading import SOURCES, SubjectTable
from tracking.truth.terms import ACCEPTED, RefusalCode

PER_NOTE = 10_000  # identities

Numbers = dict[str, int]


class Command(BaseCommand):
    """Judge positions."""

    help = "Judge the positions stored since the last time; with --since, judge history anew from then on."

    def add_arguments(self, parser: CommandParser) -> None:
        """Times are ISO 8601, UTC where they name no zone."""
        parser.add_argument("--since", type=_instant, metavar="TIME", help="judge all positions from then on anew")
        parser.add_argument("--identity", metavar="ID", help="only this MMSI or ICAO address")
        parser.add_argument("--dry-run", action="store_true", help="change nothing, say what would change")
        parser.add_argument("--json", action="store_true", help="print an object")

    def handle(self, *args: Any, **options: Any) -> None:
        """Judge and print the counts. Raises CommandError."""
        if options["identity"] and not options["since"]:
            raise CommandError("--identity goes with --since: from when on shall it be judged?")
        try:
            said = self._judged(options["since"], options["identity"], options["dry_run"])
        except OperationalError as error:
            raise CommandError(f"{str(error).strip()}. Nothing is half done: call it again.") from error
        if options["json"]:
            self.stdout.write(json.dumps(said, indent=2))
            return
        verb = "would change" if options["dry_run"] else "changed"
        self.stdout.write(f"{said['rows']} positions read, {said['changed']} numbers {verb}")
        for name in sorted(said["before"].keys() | said["after"].keys()):
            self.stdout.write(f"  {name:12} {said['before'].get(name, 0):>10} -> {said['after'].get(name, 0)}")

    def _judged(self, since: dt.datetime | None, identity: str | None, dry: bool) -> dict[str, Any]:
        """The counts; in one transaction that is undone, if `dry`."""
        with transaction.atomic():
            if since is not None:
                for subject, touched in _touched(since, identity).items():
                    _note(subject, touched)
            before = _numbers(since)
            done = judge.judge_all()
            after = _numbers(since)
            transaction.set_rollback(dry)
        return {"rows": done.rows, "changed": done.changed, "before": before, "after": after}


def _touched(since: dt.datetime, identity: str | None) -> dict[PositionKind, dict[Any, Touched]]:
    """All identities with positions from then on, or the one."""
    if identity is None:
        return {subject: _spans(source, since, None) for subject, source in SOURCES.items()}
    icao, mmsi = search.icao(identity), search.mmsi(identity)
    keys = {PositionKind.VESSEL: mmsi, PositionKind.AIRCRAFT: icao}
    found = {subject: _spans(SOURCES[subject], since, key) for subject, key in keys.items() if key is not None}
    if not any(found.values()):
        raise CommandError(f"{identity!r} has no positions since {since:%Y-%m-%d %H:%M:%S}")
    return found


def _spans(source: SubjectTable, since: dt.datetime, key: Any) -> dict[Any, Touched]:
    only = "" if key is None else f" AND {source.key} = %(key)s"
    with connection.cursor() as cursor:
        cursor.execute(
            f'SELECT {source.key}, min("timestamp"), max("timestamp") FROM {source.table}'
            f' WHERE "timestamp" >= %(since)s{only} GROUP BY 1',
            {"since": since, "key": key},
        )
        return {key: Touched(*map(notes.milliseconds, times)) for key, *times in cursor.fetchall()}


def _note(subject: PositionKind, touched: dict[Any, Touched]) -> None:
    keys = list(touched)
    for start in range(0, len(keys), PER_NOTE):
        notes.note(subject, {key: touched[key] for key in keys[start : start + PER_NOTE]})


def _numbers(since: dt.datetime | None) -> Numbers:
    """How many positions from then on are refused, for each reason, and how many are on other tracks."""
    if since is None:
        return {}
    counts: Numbers = {}
    for source in SOURCES.values():
        with connection.cursor() as cursor:
            cursor.execute(
                f'SELECT track, count(*) FROM {source.table} WHERE "timestamp" >= %s AND track <> 0 GROUP BY 1', [since]
            )
            for number, count in cursor.fetchall():
                counts[_name(number)] = counts.get(_name(number), 0) + count
    return counts


def _name(number: int) -> str:
    if number < 0:
        return RefusalCode(number).name.lower()
    return "accepted" if number == ACCEPTED else "other track"


def _instant(text: str) -> dt.datetime:
    try:
        found = dt.datetime.fromisoformat(text)
    except ValueError as error:
        raise ArgumentTypeError(f"{text!r} is not a time such as 2026-05-01 or 2026-05-01T12:00:00Z") from error
    return found if found.tzinfo else found.replace(tzinfo=dt.UTC)
