"""The judge: it reads what batches stored since it last looked, and says of each row which track it belongs to.

    a batch's transaction    rows, and a note of what they touch (`notes`)
    the judge's transaction  take notes -> read from the earliest time of each identity (`reading`) -> rule
                             -> write the numbers that differ, disputes, jumps, refused positions (`verdicts`)
                             -> forget the notes

The verdict is a function of the set of rows. A steady identity has no state but its last rows. One in dispute goes on
from the state that its dispute holds, if all that is new lies behind it; a row that comes late makes its identity be
judged anew from the beginning of the dispute into which it falls. Where a verdict changes what follows the rows that
were read, all that follows is read. So neither order, nor the cut into batches, nor a crash is seen in the numbers.

One judge at a time, by a lock of PostgreSQL. Raw rows are never changed otherwise and never deleted.
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import numpy as np
from django.db import connection, transaction

from tracking.truth import notes, steady, verdicts
from tracking.truth.budget import budget_of
from tracking.truth.models import Dispute, RefusedPosition
from tracking.truth.notes import Key, Touched, milliseconds
from tracking.truth.reading import (
    AFTER_PART,
    BEFORE_PART,
    BEYOND_PART,
    FOREVER_MS,
    SOURCES,
    IdentitySpan,
    Read,
    SubjectTable,
    read,
    seen_before,
)
from tracking.truth.rule import TAIL, Fold
from tracking.truth.terms import JudgedPosition, OperatorDecision
from tracking.truth.verdicts import IdentityVerdict

logger = logging.getLogger(__name__)

NOTES = 200  # batches a pass, which must end long before the time-out of a task
RUN_SECONDS = 20.0  # of passes; what is left is for the next run, so that a backlog keeps no worker from its batches
EXPECTED_ROWS = 50_000  # read at once, at the pace of a ship: more would stay in a worker's memory, 0.3 KB a row
_PACE_MS = 8000
_LOCK = 0x7472_7468


class Judged(NamedTuple):
    """What one pass came to."""

    notes: int
    identities: int
    rows: int
    changed: int


class _Case(NamedTuple):
    """An identity to be judged: what to read, and the state to go on from, if a dispute is open."""

    span: IdentitySpan
    state: dict[str, Any] | None


def judge(limit: int = NOTES) -> Judged | None:
    """One pass over at most `limit` notes, in one transaction; None where there are none. Raises django.db errors."""
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_LOCK])
        taken = notes.take(limit)
        if not taken.ids:
            return None
        passes = [_judge_subject(SOURCES[subject], touched) for subject, touched in taken.subjects.items()]
        notes.forget(taken)
        counts = [sum(column) for column in zip(*passes, strict=True)]
        return Judged(len(taken.ids), *counts)


def judge_all(limit: int = NOTES, seconds: float = math.inf) -> Judged:
    """Passes until nothing is left, or none is begun after so many seconds; their sums. Raises django.db errors."""
    done = Judged(0, 0, 0, 0)
    until = time.monotonic() + seconds
    while time.monotonic() < until and (one := judge(limit)) is not None:
        done = Judged(*map(sum, zip(done, one, strict=True)))
    return done


def _judge_subject(source: SubjectTable, touched: dict[Key, Touched]) -> tuple[int, int, int]:
    """(identities, rows, changed numbers) of one pass."""
    rows = changed = 0
    for cases in _portions(source, touched):
        one = _judge_cases(source, cases)
        rows, changed = rows + one[0], changed + one[1]
    return len(touched), rows, changed


def _portions(source: SubjectTable, touched: dict[Key, Touched]) -> Iterator[list[_Case]]:
    """The identities in their order, cut where too many rows would be read at once; a long dispute has many."""
    portion: list[_Case] = []
    expected = 0
    for case in _cases(source, touched):
        portion.append(case)
        expected += TAIL + (touched[case.span.key].until - case.span.since) // _PACE_MS
        if expected >= EXPECTED_ROWS:
            yield portion
            portion, expected = [], 0
    if portion:
        yield portion


def _cases(source: SubjectTable, touched: dict[Key, Touched]) -> Iterator[_Case]:
    """Each identity in order, with the dispute into which its rows fall."""
    disputes = _disputes(source, touched)
    for key in sorted(touched):
        since, until = touched[key]
        mine = disputes.get(key, [])
        if not mine:
            yield _Case(IdentitySpan(key, since, until), None)
        elif mine[0].until is None and since > milliseconds(mine[0].judged_until):
            yield _Case(IdentitySpan(key, since, until, before=0), mine[0].state)
        else:
            first = min(milliseconds(dispute.since) for dispute in mine)
            yield _Case(IdentitySpan(key, min(since, first), FOREVER_MS), None)


def _disputes(source: SubjectTable, touched: dict[Key, Touched]) -> dict[Key, list[Dispute]]:
    """The disputes of each identity that are open or end after its first touched row."""
    found: dict[Key, list[Dispute]] = {}
    names = {str(key): key for key in touched}
    mine = Dispute.objects.filter(subject=source.subject).order_by("since")
    # One array, for a placeholder a name takes the client longer than the question.
    for dispute in mine.extra(where=["identity = ANY(%s)"], params=[list(names)]):
        key = names[dispute.identity]
        if dispute.until is None or milliseconds(dispute.until) >= touched[key].since:
            found.setdefault(key, []).append(dispute)
    return found


def _judge_cases(source: SubjectTable, cases: list[_Case]) -> tuple[int, int]:
    """(rows read, numbers changed). Those whose verdict goes beyond what was read are judged again to the end."""
    found = read(source, [case.span for case in cases])
    verdict = _verdicts(source, cases, found)
    changed = verdicts.write(source, [one for one in verdict if not one.beyond])
    rows = len(found.part)
    if again := [_endless(one.span, cases) for one in verdict if one.beyond]:
        more = _judge_cases(source, again)
        return rows + more[0], changed + more[1]
    return rows, changed


def _endless(span: IdentitySpan, cases: Iterable[_Case]) -> _Case:
    state = next(case.state for case in cases if case.span is span)
    return _Case(span._replace(until=FOREVER_MS), state)


def _verdicts(source: SubjectTable, cases: list[_Case], found: Read) -> list[IdentityVerdict]:
    """Fold those that are not steady; what was said before is read for the few to which it matters."""
    decisions = _decisions(source)
    decided = {identity for identity, _ in decisions}
    suspects = sorted(_suspects(cases, found) | {n for n, case in enumerate(cases) if str(case.span.key) in decided})
    starts, ends = (np.searchsorted(found.rows.whose, suspects, side).tolist() for side in ("left", "right"))
    mine = {index: slice(start, end) for index, start, end in zip(suspects, starts, ends, strict=True)}
    verdict = {index: _fold(cases[index], found, rows, {}, decisions) for index, rows in mine.items()}
    back = [index for index, one in verdict.items() if one.folded.looked_back]
    seen = seen_before(source, [cases[index].span for index in back], found, back) if back else {}
    for index in back:
        if said := seen.get(cases[index].span.key):
            verdict[index] = _fold(cases[index], found, mine[index], said, decisions)
    return list(verdict.values())


def _suspects(cases: list[_Case], found: Read) -> set[int]:
    """The indexes of cases that are not one steady track, as it is written already."""
    rows, judged = found.rows, found.part != BEYOND_PART
    broken = (found.number != 0) & (found.part != BEFORE_PART) & judged
    budgets = [budget_of(case.span.key) for case in cases]
    for budget in set(budgets):
        mine = np.array([one == budget for one in budgets])[rows.whose] & judged
        broken[mine] |= steady.breaks(steady.PositionColumns(*(column[mine] for column in rows)), budget)
    suspects = set(rows.whose[broken].tolist()) | _unsure(len(cases), found)
    return suspects | {index for index, case in enumerate(cases) if case.state is not None or case.span.endless}


def _unsure(cases: int, found: Read) -> set[int]:
    """Those with rows beyond what was read and too few before these to say that nothing changes for them."""
    after = np.bincount(found.rows.whose[found.part == AFTER_PART], minlength=cases)
    beyond = np.bincount(found.rows.whose[found.part == BEYOND_PART], minlength=cases)
    return set(np.flatnonzero((beyond > 0) & (after < TAIL)).tolist())


def _decisions(source: SubjectTable) -> dict[tuple[str, int], OperatorDecision]:
    """All that operators said, by identity and time: an index holds these alone."""
    said = RefusedPosition.objects.filter(subject=source.subject).exclude(decision=OperatorDecision.NONE)
    rows = said.values_list("identity", "timestamp", "decision")
    return {(identity, milliseconds(at)): OperatorDecision(decision) for identity, at, decision in rows}


def _fold(
    case: _Case,
    found: Read,
    mine: slice,
    seen: dict[tuple[float, ...], int],
    decisions: dict[tuple[str, int], OperatorDecision],
) -> IdentityVerdict:
    """The verdict on one identity."""
    columns = [column[mine].tolist() for column in found.rows[1:]]
    part, number = found.part[mine].tolist(), found.number[mine].tolist()
    name = str(case.span.key)
    rows = [
        JudgedPosition(*values, decisions.get((name, values[0]), OperatorDecision.NONE))
        for values in zip(*columns, strict=True)
    ]
    begin = rows[0].ts if rows else case.span.since
    folded = Fold(budget_of(case.span.key), {said: ts for said, ts in seen.items() if ts < begin})
    if case.state is not None:
        folded.load(case.state)
    for row, where in zip(rows, part, strict=True):
        if where != BEYOND_PART:
            folded.take(row)
    folded.settle()
    judged = {row.ts: old for row, old, where in zip(rows, number, part, strict=True) if where != BEYOND_PART}
    after = [row.ts for row, where in zip(rows, part, strict=True) if where == AFTER_PART]
    last = max(judged, default=case.span.since)
    whole = BEYOND_PART not in part
    return IdentityVerdict(case.span, folded, judged, last, whole, not whole and _reaches_on(folded, judged, after))


def _reaches_on(folded: Fold, judged: dict[int, int], after: list[int]) -> bool:
    """Whether what follows the rows that were read may change: it does not where a steady track was left as it was."""
    accepted = [ts for ts in after if folded.numbers[ts] == 0]
    return folded.since is not None or len(accepted) < TAIL or any(folded.numbers[ts] != judged[ts] for ts in after)
