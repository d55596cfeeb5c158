"""What is left to judge: a batch notes in its own transaction what it touched, and the judge takes the notes.

So nothing that is committed is forgotten by a crash of either, and nothing is judged that is not committed.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from operator import attrgetter
from typing import Any, NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt
from django.db import connection

from tracking.truth.models import PositionKind, Unjudged

Key = int | str

_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_MILLISECOND = dt.timedelta(milliseconds=1)
_NAMES = {
    "VesselPosition": (PositionKind.VESSEL, "vessel_id"),
    "AircraftPosition": (PositionKind.AIRCRAFT, "aircraft_id"),
}


class Touched(NamedTuple):
    """First and last time of what has to be judged of an identity, ms since 1970."""

    since: int
    until: int


class Taken(NamedTuple):
    """Notes that were taken: what they name, by identity, and their ids."""

    subjects: dict[PositionKind, dict[Key, Touched]]
    ids: list[int]


def milliseconds(moment: dt.datetime) -> int:
    """Since 1970; half the time of dividing a timedelta."""
    return round(moment.timestamp() * 1000)


def milliseconds_of(moments: Sequence[dt.datetime]) -> npt.NDArray[np.int64]:
    """Of many, in half the time."""
    return np.rint(np.array([moment.timestamp() for moment in moments]) * 1000).astype(np.int64)


def moment(ms: int) -> dt.datetime:
    """The same back, aware UTC."""
    return _EPOCH + ms * _MILLISECOND


def note_rows(rows_by_model: Mapping[type[Any], Sequence[Any]]) -> None:
    """Note what rows of positions touch, in the transaction that stores them. Raises django.db errors."""
    for model, rows in rows_by_model.items():
        subject, key = _NAMES[model.__name__]
        keys = list(map(attrgetter(key), rows))
        if not keys:
            continue
        times: list[int] = milliseconds_of([row.timestamp for row in rows]).tolist()
        columns: list[list[Any]] = [keys, times, times]
        if len(set(keys)) < len(keys):
            spans: dict[Key, list[int]] = {}
            _widen(spans, columns)
            columns = [list(spans), *(list(column) for column in zip(*spans.values(), strict=True))]
        _insert(subject, columns)


def note(subject: PositionKind, touched: Mapping[Key, Touched]) -> None:
    """Note what has to be judged. Raises django.db errors."""
    if touched:
        _insert(subject, [list(touched), *(list(column) for column in zip(*touched.values(), strict=True))])


def _insert(subject: PositionKind, columns: list[list[Any]]) -> None:
    """Write a note of identities, each once, with their first and last times."""
    packed = msgspec.msgpack.encode(columns)
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO {Unjudged._meta.db_table} (subject, touched) VALUES (%s, %s)", [subject.value, packed]
        )


def take(limit: int) -> Taken:
    """The oldest notes, at most `limit`; `forget` deletes them. Raises django.db errors."""
    ids: list[int] = []
    spans: dict[PositionKind, dict[Key, list[int]]] = {}
    for row in Unjudged.objects.order_by("id")[:limit]:
        ids.append(row.pk)
        _widen(spans.setdefault(PositionKind(row.subject), {}), msgspec.msgpack.decode(row.touched))
    subjects = {
        subject: {key: Touched(since, until) for key, (since, until) in known.items()}
        for subject, known in spans.items()
    }
    return Taken(subjects, ids)


def forget(taken: Taken) -> None:
    """Delete notes that are done. Raises django.db errors."""
    Unjudged.objects.filter(id__in=taken.ids).delete()


def _widen(known: dict[Key, list[int]], columns: list[list[Any]]) -> None:
    """Take in a note; lists, because nearly every identity is in many notes."""
    for key, since, until in zip(*columns, strict=True):
        span = known.get(key)
        if span is None:
            known[key] = [since, until]
            continue
        if since < span[0]:
            span[0] = since
        if until > span[1]:
            span[1] = until
