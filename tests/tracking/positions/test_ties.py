"""Reports that tie in all that ranks them: the same row comes of them in any order and however they are cut."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import msgspec
import pytest
from django.db import connection, models, transaction
from hypothesis import given
from hypothesis import strategies as st

from tests.support.properties import examples
from tests.support.reports import NOON, Ranked, Report, counts, later, upsert
from tracking.models import AircraftPosition, VesselPosition
from tracking.positions.upsert import upsert_of

pytestmark = pytest.mark.usefixtures("either_way")


class AirReport(Ranked):
    """A light row of an aircraft."""

    aircraft_id: str = "4ca7b5"
    altitude: int | None = None
    ground_speed: float | None = None
    heading: float | None = None
    vertical_rate: int | None = None
    on_ground: bool | None = None


SHIP = {"speed": [0.0, 7.5, 10], "course": [0.0, 9.5, 10.25], "heading": [0, 9, 359], "status": [0, 5, 14]}
AIR = {
    "altitude": [-100, 0, 35000],
    "ground_speed": [0.0, 95.5, 450],
    "heading": [9.5, 10.0, 270.5],
    "vertical_rate": [-640, 0, 64],
    "on_ground": [False, True],
}
RANKS = {
    "score": st.sampled_from([50, 60]),
    "received_at": st.sampled_from([NOON, later(0.001)]),
    "source": st.sampled_from(["north", "North"]),
    "latitude": st.sampled_from([54.0, 54.0001]),  # not apart: those are twins (test_twins.py)
    "longitude": st.sampled_from([10.0, 10.0002]),
}
MODELS: dict[type[msgspec.Struct], tuple[type[models.Model], dict[str, list[Any]]]] = {
    Report: (VesselPosition, SHIP),
    AirReport: (AircraftPosition, AIR),
}


def reports(kind: type[msgspec.Struct], gaps: bool, **ranks: st.SearchStrategy[Any]) -> st.SearchStrategy[list[Any]]:
    """Reports of one target and time."""
    _, values = MODELS[kind]
    given = {name: st.sampled_from([None, *known] if gaps else known) for name, known in values.items()}
    return st.lists(st.builds(kind, **given, **ranks), min_size=2, max_size=8)


def rows_of(model: type[models.Model]) -> list[dict[str, Any]]:
    return list(model._default_manager.order_by("timestamp").values(*(name for name in upsert_of(model).sql.columns)))


def deliver(rows: Sequence[Any], cuts: Sequence[int]) -> list[dict[str, Any]]:
    """What is stored after the rows were folded and upserted, cut into batches."""
    model, _ = MODELS[type(rows[0])]
    for start, end in pairwise([0, *sorted(cuts), len(rows)]):
        kept, _, _ = upsert_of(model).fold([msgspec.structs.replace(row) for row in rows[start:end]])
        model._default_manager.bulk_create(kept, update_conflicts=True)
    return rows_of(model)


def outcome(rows: Sequence[Any], cuts: Sequence[int]) -> list[dict[str, Any]]:
    """What is stored of them in an empty table."""
    with transaction.atomic():
        stored = deliver(rows, cuts)
        transaction.set_rollback(True)
    return stored


def versions(rows: Sequence[Any]) -> list[tuple[str, str]]:
    """Where the rows' versions lie and who wrote them: any UPDATE changes this."""
    model, _ = MODELS[type(rows[0])]
    with connection.cursor() as cursor:
        cursor.execute(f'SELECT ctid::text, xmin::text FROM "{model._meta.db_table}"')
        found: list[tuple[str, str]] = cursor.fetchall()
    return found


def agree(rows: list[Any], data: st.DataObject) -> None:
    """Any two orders, cut anyhow, give the same; delivered again, nothing is written."""
    shuffled = data.draw(st.permutations(rows))
    cuts = data.draw(st.lists(st.integers(0, len(rows)), max_size=4))
    one_by_one = list(range(1, len(rows)))
    expected = outcome(rows, [])
    assert outcome(shuffled, cuts) == expected
    assert outcome(shuffled, one_by_one) == expected
    with transaction.atomic():
        deliver(shuffled, one_by_one)
        before = versions(rows)
        assert deliver(rows, cuts) == expected
        assert versions(rows) == before, "a redelivery wrote a row"
        transaction.set_rollback(True)


@pytest.mark.django_db
@examples(30)
@given(data=st.data())
@pytest.mark.parametrize("kind", MODELS)
def test_of_reports_that_tie_in_all_any_order_and_any_cut_gives_the_same_row(
    kind: type[msgspec.Struct], data: st.DataObject
) -> None:
    agree(data.draw(reports(kind, gaps=True)), data)


@pytest.mark.django_db
@examples(30)
@given(data=st.data())
@pytest.mark.parametrize("kind", MODELS)
def test_of_reports_without_gaps_any_order_and_any_cut_gives_the_same_row(
    kind: type[msgspec.Struct], data: st.DataObject
) -> None:
    agree(data.draw(reports(kind, gaps=False, **RANKS)), data)


@pytest.mark.django_db
@examples(30)
@given(data=st.data())
@pytest.mark.parametrize("kind", MODELS)
def test_batches_that_are_delivered_again_write_nothing(kind: type[msgspec.Struct], data: st.DataObject) -> None:
    """Also where gaps were filled. (Two places of one receiver are left out: the greater gives up what was filled.)"""
    heard = {name: values for name, values in RANKS.items() if name not in ("latitude", "longitude")}
    rows = data.draw(reports(kind, gaps=True, **heard))
    cuts = data.draw(st.lists(st.integers(0, len(rows)), max_size=4))
    with transaction.atomic():
        deliver(rows, cuts)
        before = versions(rows)
        deliver(rows, cuts)
        assert versions(rows) == before
        transaction.set_rollback(True)


TWINS = {
    "values": (Report(speed=7.5, course=9.5), Report(speed=10, course=0.0), {"speed": 10, "course": 9.5}),
    "gaps": (Report(speed=7.5), Report(heading=0), {"speed": 7.5, "heading": 0}),
    "numbers, not digits": (Report(course=10.25), Report(course=9.5), {"course": 10.25}),
    "below zero": (AirReport(vertical_rate=-640), AirReport(vertical_rate=-64), {"vertical_rate": -64}),
    "truth": (AirReport(on_ground=True), AirReport(on_ground=False), {"on_ground": True}),
}


@pytest.mark.django_db
@pytest.mark.parametrize("case", TWINS.values(), ids=list(TWINS))
def test_of_equals_the_greater_of_each_value_stays_in_python_and_in_postgresql(case: tuple[Any, Any, Any]) -> None:
    one, other, expected = case
    for rows in ((one, other), (other, one)):
        for cuts in ([], [1]):
            (row,) = outcome(rows, cuts)
            assert {name: row[name] for name in expected} == expected


@pytest.mark.django_db
def test_an_equal_counts_as_merged_only_where_it_changes_a_value() -> None:
    rows = [Report(speed=7.5), Report(speed=0.0), Report(speed=7.5), Report(speed=10.0)]
    _, merged, unchanged = upsert_of(VesselPosition).fold([msgspec.structs.replace(row) for row in rows])
    assert (merged, unchanged) == (1, 2)
    assert [counts(upsert(row)) for row in rows] == [(1, 0, 0), (0, 0, 1), (0, 0, 1), (0, 1, 0)]


@pytest.mark.django_db
def test_a_value_of_one_that_lost_never_stands_against_the_winners_own() -> None:
    """Only equals are joined: a greater value of a lower score, a later reception or another feed is no better."""
    for loser in (
        Report(score=49, speed=10.0),
        Report(received_at=later(1), speed=10.0),
        Report(source="a", speed=10.0),
    ):
        for rows in ((Report(speed=7.5), loser), (loser, Report(speed=7.5))):
            for cuts in ([], [1]):
                (row,) = outcome(rows, cuts)
                assert (row["speed"], row["source"]) == (7.5, "north")
