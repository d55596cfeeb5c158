"""Accounts: every line and every message, summed over the ledger, and the equations they must satisfy.

No term is derived from the others: lines are counted where they are read, messages where they are accepted and again
where they are booked, rows where the database says what it did with them. `violations` therefore can fail.

    lines     = foreign + malformed + sentences
    accepted  = booked + waiting
    booked    = positions + static + stations + other + rejected
    positions = stored + merged + duplicate + dead + discarded
"""

from __future__ import annotations

from collections import Counter
from typing import Any

import msgspec
from django.db.models import Q, Sum

from ingest.models import Batch
from ingest.reports import LineCounts

_SUMS = (
    "lines",
    "foreign",
    "sentences",
    "messages",
    "positions",
    "static",
    "stations",
    "other",
    "stored",
    "merged",
    "duplicate",
    "dead",
    "discarded",
)


class Account(msgspec.Struct):
    """Sums over lines of the ledger; `messages` are the booked ones. Dictionaries are counts by reason."""

    lines: int = 0
    foreign: int = 0
    malformed: dict[str, int] = {}
    sentences: int = 0
    remarks: dict[str, int] = {}
    messages: int = 0
    positions: int = 0
    static: int = 0
    stations: int = 0
    other: int = 0
    rejected: dict[str, int] = {}
    stored: int = 0
    merged: int = 0
    duplicate: int = 0
    dead: int = 0
    discarded: int = 0


def account(which: Q) -> Account:
    """The account of the batches that `which` selects."""
    batches = Batch.objects.filter(which)
    sums = batches.aggregate(**{name: Sum(name, default=0) for name in _SUMS})
    reasons: dict[str, Counter[str]] = {"malformed": Counter(), "rejected": Counter(), "remarks": Counter()}
    for name, total in reasons.items():
        for counted in batches.exclude(**{name: {}}).values_list(name, flat=True).iterator():
            total.update(counted)
    return msgspec.convert({**sums, **reasons}, Account)


def violations(booked: Account, read: LineCounts | None = None, accepted: int = 0, waiting: int = 0) -> list[str]:
    """The equations that do not hold, in words; empty when all is accounted for.

    `read` and `accepted` are a collector's own counts of the lines and messages of accepted batches (None: only the
    ledger is checked), `waiting` the messages of those batches that the ledger does not have.
    """
    equations: list[tuple[str, int, int]] = [
        ("lines = foreign + malformed + sentences", booked.lines, _lines(booked)),
        ("booked = positions + static + stations + other + rejected", booked.messages, _messages(booked)),
        ("positions = stored + merged + duplicate + dead + discarded", booked.positions, _positions(booked)),
    ]
    if read is not None:
        equations.append(("read = foreign + malformed + sentences", read.lines, _lines(read)))
        equations.append(("accepted = booked + waiting", accepted, booked.messages + waiting))
        if not waiting:
            equations.append(("read = booked lines", read.lines, booked.lines))
    return [f"{text}: {left} is not {right}" for text, left, right in equations if left != right]


def _lines(counted: Account | LineCounts) -> int:
    return counted.foreign + sum(counted.malformed.values()) + counted.sentences


def _messages(booked: Account) -> int:
    return booked.positions + booked.static + booked.stations + booked.other + sum(booked.rejected.values())


def _positions(booked: Account) -> int:
    return booked.stored + booked.merged + booked.duplicate + booked.dead + booked.discarded


def summary(booked: Account, read: LineCounts, accepted: int, waiting: int, seconds: float) -> dict[str, Any]:
    """The account of a run as `manage.py ingest --json` prints it: one flat object."""
    shown = msgspec.structs.asdict(booked) | msgspec.structs.asdict(read)
    return {**shown, "messages": accepted, "waiting": waiting, "seconds": round(seconds, 3)}
