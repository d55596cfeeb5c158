"""The conflict rule: Python's and PostgreSQL's are one, and no order of delivery chooses the winner."""

import datetime as dt
from collections.abc import Sequence
from itertools import pairwise

import msgspec
import pytest
from django.db import connection, transaction
from hypothesis import given
from hypothesis import strategies as st

from tests.support.properties import examples
from tests.support.reports import NOON, RANKED, VALUES, Report, counts, later, only, stored, upsert
from tracking.models import VesselPosition
from tracking.positions.upsert import upsert_of, wins

pytestmark = pytest.mark.usefixtures("either_way")


@pytest.mark.django_db
@pytest.mark.parametrize("first", ["full", "sparse"])
def test_missing_values_are_filled_whichever_comes_first(first: str) -> None:
    sparse, full = Report(score=60, latitude=54.0001), Report(score=50, speed=4.0, course=0.0, heading=0, status=0)
    rows = (full, sparse) if first == "full" else (sparse, full)
    assert [counts(upsert(row)) for row in rows] == [(1, 0, 0), (0, 1, 0)]
    assert [only()[name] for name in ("latitude", "score", *VALUES)] == [54.0001, 60, 4.0, 0.0, 0, 0]


@pytest.mark.django_db
@pytest.mark.parametrize("first", ["north", "south"])
def test_two_places_of_one_receiver_at_once_are_not_mixed(first: str) -> None:
    north, south = Report(latitude=54.0001), Report(latitude=54.0, speed=4.0, heading=252)
    rows = (north, south) if first == "north" else (south, north)
    for row in copies(rows):
        upsert(row)
    assert [only()[name] for name in ("latitude", *VALUES)] == [54.0001, None, None, None, None]
    (folded,), _, _ = upsert_of(VesselPosition).fold(copies(rows))
    assert (folded.latitude, folded.speed, folded.heading) == (54.0001, None, None)


@pytest.mark.django_db
def test_the_winner_keeps_its_own_values() -> None:
    upsert(Report(score=50, speed=4.0, heading=10))
    upsert(Report(score=60, speed=7.0))
    assert (only()["speed"], only()["heading"]) == (7.0, 10)


PAIRS = {
    "the higher score": (Report(score=51, received_at=later(9), source="a"), Report(score=50, source="z")),
    "the earlier reception": (Report(received_at=NOON, source="a"), Report(received_at=later(0.001), source="z")),
    "the greater label": (Report(source="south", latitude=1.0), Report(source="north", latitude=2.0)),
    "the greater latitude": (Report(latitude=2.0, longitude=1.0), Report(latitude=1.0, longitude=2.0)),
    "the greater longitude": (Report(longitude=2.0), Report(longitude=1.0)),
    "labels by code point, lower case": (Report(source="alpha"), Report(source="Zulu")),
    "labels by code point, accents": (Report(source="éclair"), Report(source="zulu")),
    "labels by code point, signs": (Report(source="a_c"), Report(source="a b")),
}


@pytest.mark.django_db
@pytest.mark.parametrize("collation", ["C", "unicode"])
@pytest.mark.parametrize("pair", PAIRS.values(), ids=list(PAIRS))
def test_of_two_reports_wins(pair: tuple[Report, Report], collation: str) -> None:
    """Python and PostgreSQL agree also on a server whose text has the order of a language."""
    with connection.cursor() as cursor:
        cursor.execute(f'ALTER TABLE tracking_vesselposition ALTER source TYPE varchar(32) COLLATE "{collation}"')
    winner, loser = pair
    assert wins(winner, loser) and not wins(loser, winner)
    for vessel, rows in enumerate([(winner, loser), (loser, winner)], start=1):
        for row in rows:
            upsert(msgspec.structs.replace(row, vessel_id=vessel))
        kept = stored()[vessel, NOON]
        assert {name: kept[name] for name in RANKED} == {name: getattr(winner, name) for name in RANKED}


reports = st.builds(
    Report,
    vessel_id=st.sampled_from([1, 2]),
    timestamp=st.sampled_from([NOON, later(0.001)]),
    latitude=st.sampled_from([-0.0, 0.0, 0.0001]),  # not apart: those are twins (test_twins.py)
    longitude=st.sampled_from([10.0, 10.0002]),
    received_at=st.sampled_from([NOON, later(1)]),
    source=st.sampled_from(["north", "North", "é"]),
    score=st.sampled_from([0, 50, 100]),
    speed=st.sampled_from([None, 0.0, 7.5]),
    heading=st.sampled_from([None, 0, 359]),
)


def copies(rows: Sequence[Report]) -> list[Report]:
    return [msgspec.structs.replace(row) for row in rows]


def deliver(rows: Sequence[Report], cuts: Sequence[int]) -> tuple[int, int, int]:
    """Fold and upsert the rows cut into batches; the counts of all, those of the rows folded away included."""
    edges = [0, *sorted(cuts), len(rows)]
    total = [0, 0, 0]
    for start, end in pairwise(edges):
        kept, merged, unchanged = upsert_of(VesselPosition).fold(rows[start:end])
        result = upsert(*kept)
        for place, number in enumerate((result.created, result.merged + merged, result.unchanged + unchanged)):
            total[place] += number
    return total[0], total[1], total[2]


@pytest.mark.django_db
@examples(40)
@given(rows=st.lists(reports, min_size=1, max_size=12), data=st.data())
def test_no_order_and_no_cut_into_batches_chooses_the_winner(rows: list[Report], data: st.DataObject) -> None:
    expected: dict[tuple[int, dt.datetime], Report] = {}
    for row in rows:
        holder = expected.setdefault((row.vessel_id, row.timestamp), row)
        if wins(row, holder):
            expected[row.vessel_id, row.timestamp] = row
    shuffled = data.draw(st.permutations(rows))
    cuts = data.draw(st.lists(st.integers(0, len(rows)), max_size=4))
    with transaction.atomic():
        assert sum(deliver(copies(shuffled), cuts)) == len(rows)
        found = stored()
        deliver(copies(rows), [])
        again = stored()
        transaction.set_rollback(True)
    assert found.keys() == again.keys() == expected.keys()
    for key, winner in expected.items():
        for kept in (found[key], again[key]):
            assert {name: kept[name] for name in RANKED} == {name: getattr(winner, name) for name in RANKED}


@pytest.mark.django_db
@examples(30)
@given(rows=st.lists(reports, min_size=1, max_size=10))
def test_folding_a_batch_is_what_the_database_does_row_by_row(rows: list[Report]) -> None:
    outcomes = []
    for cuts in ([], list(range(1, len(rows)))):
        with transaction.atomic():
            outcomes.append((deliver(copies(rows), cuts), stored()))
            transaction.set_rollback(True)
    (folded, rows_folded), (one_by_one, rows_one_by_one) = outcomes
    assert rows_folded == rows_one_by_one
    # A batch is of one source; where several come one by one, the row is merged for the label that joins.
    assert folded == one_by_one or (folded[0] == one_by_one[0] and len({row.source for row in rows}) > 1)


def test_fold_fills_the_winner_in_place_and_counts_what_it_folded_away() -> None:
    loser, winner, idle = Report(score=1, speed=4.0, course=9.0), Report(score=2, course=8.0), Report(score=1)
    kept, merged, unchanged = upsert_of(VesselPosition).fold([loser, winner, idle, idle])
    assert kept == [winner] and kept[0] is winner
    assert (winner.speed, winner.course, merged, unchanged) == (4.0, 8.0, 1, 2)
