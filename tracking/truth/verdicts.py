"""What the judge writes: numbers of rows, disputes, jumps, fleets and refused positions.

Enter verdicts on identities; leave only differences. Fleets are found among all jumps around the changed ones; who
becomes or ceases to be part of one is noted to be judged again.
"""

from __future__ import annotations

import datetime as dt
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from django.db import connection

from tracking.postgresql import arrays
from tracking.truth import notes
from tracking.truth.fleets import WINDOW_MS, fleets
from tracking.truth.fleets import FleetJump as Jumped
from tracking.truth.models import Dispute, Jump, RefusedPosition
from tracking.truth.notes import Touched, milliseconds, moment
from tracking.truth.reading import AFTER_MS, IdentitySpan, SubjectTable, as_key
from tracking.truth.rule import Fold
from tracking.truth.terms import ACCEPTED, RefusalCode

ROWS_AT_ONCE = 5_000

_NEVER = 2**62
_ENTER = f"""
    INSERT INTO {RefusedPosition._meta.db_table} AS t (
        subject, identity, "timestamp", latitude, longitude, source, reason, distance_m, seconds, budget_m,
        decision, note
    )
    SELECT '{{subject}}', *, {RefusedPosition.Decision.NONE.value}, '' FROM unnest(
        %b::text[], %b::timestamptz[], %b::float8[], %b::float8[], %b::text[], %b::smallint[],
        %b::float8[], %b::float8[], %b::float8[]
    )
    ON CONFLICT (subject, identity, "timestamp") DO UPDATE SET
        reason = excluded.reason, latitude = excluded.latitude, longitude = excluded.longitude,
        source = excluded.source, distance_m = excluded.distance_m, seconds = excluded.seconds,
        budget_m = excluded.budget_m"""


class IdentityVerdict(NamedTuple):
    """What the rule says of one identity: `judged` are the numbers as they were, `last` the time of the last row.

    `whole`: nothing follows what was read. `beyond`: what follows must be judged, too; so far nothing is certain.
    """

    span: IdentitySpan
    folded: Fold
    judged: dict[int, int]
    last: int
    whole: bool
    beyond: bool

    @property
    def identity(self) -> str:
        """As text."""
        return str(self.span.key)

    @property
    def end(self) -> dt.datetime:
        """Up to when all disputes and jumps are those of this verdict."""
        return dt.datetime.max.replace(tzinfo=dt.UTC) if self.whole else moment(self.span.until + AFTER_MS)


class _Changed(NamedTuple):
    """A row that has a new number."""

    identity: str
    at: dt.datetime
    number: int
    latitude: float
    longitude: float
    source: str


def write(source: SubjectTable, verdicts: Sequence[IdentityVerdict]) -> int:
    """Write verdicts; how many numbers changed. Raises django.db errors."""
    if not verdicts:
        return 0
    _write_disputes(source, verdicts)
    times = _write_jumps(source, verdicts)
    _find_fleets(source, times, {verdict.identity: verdict.span.since for verdict in verdicts})
    spoofed = _spoofed(source, verdicts)
    numbers = [(verdict, _numbers(verdict, spoofed.get(verdict.identity, []))) for verdict in verdicts]
    changed = _write_numbers(source, numbers)
    _write_refused(source, changed, {verdict.identity: verdict.folded for verdict in verdicts})
    return len(changed)


def _write_disputes(source: SubjectTable, verdicts: Sequence[IdentityVerdict]) -> None:
    """Replace the disputes of the time that was judged."""
    rows = [
        Dispute(
            subject=source.subject,
            identity=verdict.identity,
            since=moment(since),
            until=None if until is None else moment(until),
            judged_until=moment(verdict.last),
            state=verdict.folded.save() if until is None else None,
        )
        for verdict in verdicts
        for since, until in verdict.folded.disputes
    ]
    _delete(source, verdicts, Dispute._meta.db_table, '(t.since BETWEEN v.first AND v.last OR t."until" IS NULL)')
    Dispute.objects.bulk_create(
        rows,
        ROWS_AT_ONCE,
        update_conflicts=True,
        unique_fields=["subject", "identity", "since"],
        update_fields=["until", "judged_until", "state"],
    )


def _write_jumps(source: SubjectTable, verdicts: Sequence[IdentityVerdict]) -> list[dt.datetime]:
    """Replace the jumps of the time that was judged; the times of those that went and came."""
    rows = [
        Jump(
            subject=source.subject,
            identity=verdict.identity,
            at=moment(birth.ts),
            latitude=birth.latitude,
            longitude=birth.longitude,
            from_latitude=birth.origin[0],
            from_longitude=birth.origin[1],
            number=birth.number,
        )
        for verdict in verdicts
        for birth in verdict.folded.births
    ]
    gone = _delete(source, verdicts, Jump._meta.db_table, "t.at BETWEEN v.first AND v.last", "t.at")
    Jump.objects.bulk_create(
        rows,
        ROWS_AT_ONCE,
        update_conflicts=True,
        unique_fields=["subject", "identity", "at"],
        update_fields=["latitude", "longitude", "from_latitude", "from_longitude", "number"],
    )
    return [*(at for (at,) in gone), *(row.at for row in rows)]


def _delete(
    source: SubjectTable, verdicts: Sequence[IdentityVerdict], table: str, condition: str, returned: str = "1"
) -> list[tuple[Any, ...]]:
    """Delete rows of the judged identities, `condition` being on t, the row, and v, from when to when was judged."""
    columns = [
        [verdict.identity for verdict in verdicts],
        [moment(verdict.span.since) for verdict in verdicts],
        [verdict.end for verdict in verdicts],
    ]
    with connection.cursor() as cursor:
        cursor.execute(
            f"DELETE FROM {table} t USING unnest(%s::text[], %s::timestamptz[], %s::timestamptz[])"
            f" AS v(identity, first, last) WHERE t.subject = '{source.subject.value}' AND t.identity = v.identity"
            f" AND {condition} RETURNING {returned}",
            columns,
        )
        return list(cursor.fetchall())


def _find_fleets(source: SubjectTable, times: Sequence[dt.datetime], judged: dict[str, int]) -> None:
    """Mark the jumps around these times that are part of a fleet; who changes is noted to be judged again.

    `judged`: from when on identities are judged just now (ms), which sees to itself.
    """
    if not times:
        return
    around = dt.timedelta(milliseconds=2 * WINDOW_MS)
    near = Jump.objects.filter(subject=source.subject, at__gte=min(times) - around, at__lte=max(times) + around)
    known = {Jumped(row.identity, milliseconds(row.at), row.latitude, row.longitude): row for row in near}
    found = fleets(known)
    flipped = [row for jump, row in known.items() if row.fleet != (jump in found)]
    for row in flipped:
        row.fleet = not row.fleet
    Jump.objects.bulk_update(flipped, ["fleet"])
    others = [row for row in flipped if judged.get(row.identity, _NEVER) > milliseconds(row.at)]
    touched = {as_key(source, row.identity): Touched(*2 * (milliseconds(row.at),)) for row in others}
    notes.note(source.subject, touched)


def _spoofed(source: SubjectTable, verdicts: Sequence[IdentityVerdict]) -> dict[str, list[tuple[int, int]]]:
    """(time, number) of the jumps of fleets, by identity, in order."""
    names = [verdict.identity for verdict in verdicts if verdict.folded.since or verdict.folded.disputes]
    jumps = Jump.objects.filter(subject=source.subject, identity__in=names, fleet=True).order_by("at")
    found: dict[str, list[tuple[int, int]]] = {}
    for identity, at, number in jumps.values_list("identity", "at", "number"):
        found.setdefault(identity, []).append((milliseconds(at), number))
    return found


def _numbers(verdict: IdentityVerdict, spoofed: list[tuple[int, int]]) -> dict[int, int]:
    """The numbers that differ from those before. A number names a track only within its dispute."""
    begun = sorted(dispute.since for dispute in verdict.folded.disputes)
    numbers = {}
    for ts, number in verdict.folded.numbers.items():
        if 0 < number < ACCEPTED and spoofed:
            dispute = bisect_right(begun, ts)
            if any(at <= ts and number == of and bisect_right(begun, at) == dispute for at, of in spoofed):
                number = RefusalCode.SPOOFED
        if verdict.judged.get(ts) != number:
            numbers[ts] = int(number)
    return numbers


def _write_numbers(source: SubjectTable, numbers: Iterable[tuple[IdentityVerdict, dict[int, int]]]) -> list[_Changed]:
    """Update the rows, in the order of their keys, as batches lock them; those that really changed."""
    given = sorted((v.span.key, moment(ts), number) for v, changed in numbers for ts, number in changed.items())
    if not given:
        return []
    columns: list[Any] = [list(column) for column in zip(*given, strict=True)]
    first, last = min(columns[1]).isoformat(), max(columns[1]).isoformat()
    statement = f"""
        WITH given AS MATERIALIZED (
            SELECT * FROM unnest(%s::{source.key_type}[], %s::timestamptz[], %s::smallint[]) AS g(key, at, number)
        ), locked AS MATERIALIZED (
            SELECT g.* FROM given g JOIN {source.table} p ON p.{source.key} = g.key AND p."timestamp" = g.at
            WHERE p."timestamp" BETWEEN '{first}' AND '{last}' AND p.track <> g.number
            ORDER BY g.key, g.at FOR UPDATE OF p
        )
        UPDATE {source.table} p SET track = l.number FROM locked l
        WHERE p.{source.key} = l.key AND p."timestamp" = l.at AND p."timestamp" BETWEEN '{first}' AND '{last}'
        RETURNING p.{source.key}, p."timestamp", p.track, p.latitude, p.longitude, p.source"""
    with connection.cursor() as cursor:
        cursor.execute(statement, columns)
        return [_Changed(str(key), *values) for key, *values in cursor.fetchall()]


def _write_refused(source: SubjectTable, changed: Sequence[_Changed], folds: dict[str, Fold]) -> None:
    """Enter what is refused now, and take out what is not, unless an operator has said something of it."""
    _take_out(source, [row for row in changed if row.number >= 0])
    refused = [row for row in changed if row.number < 0]
    for start in range(0, len(refused), ROWS_AT_ONCE):
        rows = [_refused(row, folds[row.identity]) for row in refused[start : start + ROWS_AT_ONCE]]
        columns = [list(column) for column in zip(*rows, strict=True)]
        # By arrays: with Django's own bulk_create this was four fifths of a pass in which much is refused.
        arrays.execute("default", _ENTER.format(subject=source.subject.value), columns)


def _refused(row: _Changed, fold: Fold) -> tuple[Any, ...]:
    """A row of _ENTER."""
    measure = fold.measures.get(milliseconds(row.at)) or (None, None, None)
    return row.identity, row.at, row.latitude, row.longitude, row.source, row.number, *measure


def _take_out(source: SubjectTable, rows: Sequence[_Changed]) -> None:
    """Delete what is refused no more and undecided."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"DELETE FROM {RefusedPosition._meta.db_table} t USING unnest(%s::text[], %s::timestamptz[])"
            f" AS v(identity, at) WHERE t.subject = '{source.subject.value}' AND t.identity = v.identity"
            f' AND t."timestamp" = v.at AND t.decision = {RefusedPosition.Decision.NONE.value}',
            [[row.identity for row in rows], [row.at for row in rows]],
        )
