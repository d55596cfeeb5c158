"""Two places in one second of a ship: both stay, whatever the order and the cut into batches."""

import datetime as dt
import itertools

import msgspec
import pytest

from tests.support.reports import NOON, Report, counts, later, stored, upsert
from tracking.models import AircraftPosition, VesselPosition
from tracking.positions.twins import are_apart, twin_ms
from tracking.positions.upsert import upsert_of

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("either_way")]

BEST = Report(score=80, latitude=54.0, speed=10.0)
OTHER = Report(score=60, latitude=55.0, source="relay")
THIRD = Report(score=40, latitude=56.0, heading=7, source="spoof")


def at(report: Report) -> dt.datetime:
    """Where the report stays as a twin."""
    return NOON + dt.timedelta(milliseconds=twin_ms(report.latitude, report.longitude))


def places() -> set[tuple[dt.datetime, float]]:
    return {(when, row["latitude"]) for (_, when), row in stored().items()}


@pytest.mark.parametrize("order", list(itertools.permutations([BEST, OTHER, THIRD])))
@pytest.mark.parametrize("at_once", [1, 2, 3])
def test_no_order_and_no_cut_chooses_which_rows_there_are(order: tuple[Report, ...], at_once: int):
    rows = [msgspec.structs.replace(row) for row in order]
    for start in range(0, len(rows), at_once):
        folded, _, _ = upsert_of(VesselPosition).fold(rows[start : start + at_once])
        upsert(*folded)
    assert places() == {(NOON, 54.0), (at(OTHER), 55.0), (at(THIRD), 56.0)}
    assert stored()[211000001, NOON]["heading"] is None
    assert stored()[211000001, at(OTHER)]["source"] == "relay"


def test_a_twin_counts_as_created_once_and_as_unchanged_when_it_comes_again():
    assert counts(upsert(msgspec.structs.replace(BEST))) == (1, 0, 0)
    assert counts(upsert(msgspec.structs.replace(OTHER))) == (1, 0, 0)
    assert counts(upsert(msgspec.structs.replace(OTHER))) == (0, 0, 1)
    assert counts(upsert(msgspec.structs.replace(BEST))) == (0, 0, 1)
    assert counts(upsert(msgspec.structs.replace(BEST, latitude=54.0001, score=90))) == (0, 1, 0)


def test_a_better_report_of_another_place_moves_the_row_that_was_there():
    upsert(msgspec.structs.replace(OTHER))
    assert counts(upsert(msgspec.structs.replace(BEST))) == (1, 0, 0)
    assert places() == {(NOON, 54.0), (at(OTHER), 55.0)}


def test_places_that_rounding_parts_are_one_report():
    upsert(
        msgspec.structs.replace(BEST),
    )
    assert counts(upsert(msgspec.structs.replace(OTHER, latitude=54.0001, heading=9))) == (0, 1, 0)
    assert places() == {(NOON, 54.0)}
    assert not are_apart(54.0, 10.0, 54.00019, 10.00039)
    assert are_apart(54.0, 10.0, 54.0003, 10.0)


def test_times_with_milliseconds_and_aircraft_have_no_twins():
    upsert(Report(timestamp=later(0.5)))
    assert counts(upsert(Report(timestamp=later(0.5), latitude=55.0, score=40))) == (0, 0, 1)
    assert not upsert_of(AircraftPosition).sql.has_twins
