"""`manage.py accounts`: what became of every line and message, per feed; exit code 1 when they do not add up."""

from __future__ import annotations

import datetime as dt
from typing import Any

import msgspec
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db.models import Q
from django.utils.dateparse import parse_date

from ingest.accounts import account, violations
from ingest.models import Batch

_SHOWN = ("lines", "messages", "positions", "stored", "merged", "duplicate", "dead", "discarded")


class Command(BaseCommand):
    """Sums over the ledger."""

    help = "Show the accounts of all feeds, or of one, and check that every equation holds."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--source", metavar="LABEL", help="only this feed")
        parser.add_argument("--day", metavar="YYYY-MM-DD", help="only batches booked on this day (UTC)")
        parser.add_argument("--json", action="store_true", help="print one JSON object: feed -> account")

    def handle(self, *args: Any, **options: Any) -> None:
        which = _selection(options)
        sources = Batch.objects.filter(which).order_by("source").values_list("source", flat=True).distinct()
        accounts = {source: account(which & Q(source=source)) for source in sources}
        if options["source"] and not accounts:
            raise CommandError(f"no batch of {options['source']!r} is booked; the admin lists the feeds")
        if options["json"]:
            self.stdout.write(msgspec.json.encode(accounts).decode())
        else:
            self.stdout.write(f"{'feed':<32}" + "".join(f"{name:>12}" for name in (*_SHOWN, "rejected", "malformed")))
            for source, sums in accounts.items():
                numbers = [getattr(sums, name) for name in _SHOWN]
                numbers += [sum(sums.rejected.values()), sum(sums.malformed.values())]
                self.stdout.write(f"{source:<32}" + "".join(f"{number:>12,}" for number in numbers))
        wrong = [f"{source}: {text}" for source, sums in accounts.items() for text in violations(sums)]
        if wrong:
            raise CommandError("the accounts do not add up:\n" + "\n".join(wrong))


def _selection(options: dict[str, Any]) -> Q:
    """The batches that the options name. Raises CommandError for a day that is none."""
    which = Q(source=options["source"]) if options["source"] else Q()
    if not options["day"]:
        return which
    try:
        day = parse_date(options["day"])
    except ValueError as error:
        raise CommandError(f"--day: {error}") from error
    if day is None:
        raise CommandError("--day must be a date such as 2026-01-01")
    midnight = dt.datetime(day.year, day.month, day.day, tzinfo=dt.UTC)
    return which & Q(booked_at__gte=midnight, booked_at__lt=midnight + dt.timedelta(days=1))
