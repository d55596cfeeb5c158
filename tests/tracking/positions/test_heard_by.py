"""Which feeds reported a row: all of them, sorted, in any order of delivery; NULL where one alone did."""

import itertools

import msgspec
import pytest
from django.db import connection

from tests.support.reports import NOON, Report, counts, later, upsert
from tracking.models import VesselPosition
from tracking.positions import statements
from tracking.positions.upsert import Upsert

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("either_way")]
SOURCES = ("roof", "Pier", "mast")


def heard_by() -> list[list[str] | None]:
    return list(VesselPosition.objects.order_by("timestamp").values_list("heard_by", flat=True))


def test_a_row_of_one_feed_names_none() -> None:
    upsert(Report(source="pier"))
    upsert(Report(source="pier", received_at=later(1)))
    assert heard_by() == [None]


@pytest.mark.parametrize("order", list(itertools.permutations(SOURCES)), ids=" ".join)
def test_the_feeds_of_a_row_are_sorted_whoever_comes_first(order: tuple[str, ...]) -> None:
    found = [counts(upsert(Report(source=source, received_at=later(n)))) for n, source in enumerate(order)]
    assert heard_by() == [["Pier", "mast", "roof"]]
    assert found == [(1, 0, 0), (0, 1, 0), (0, 1, 0)]


def test_a_feed_that_is_named_already_changes_nothing() -> None:
    reports = [Report(source=source, received_at=later(n)) for n, source in enumerate(SOURCES)]
    for report in reports:
        upsert(msgspec.structs.replace(report))
    assert [counts(upsert(msgspec.structs.replace(report))) for report in reports] == [(0, 0, 1)] * 3


def test_a_contradicting_report_takes_no_part_and_the_row_that_moves_keeps_its_feeds() -> None:
    upsert(Report(source="pier"))
    upsert(Report(source="roof", received_at=later(1)))
    upsert(Report(source="mast", score=90, latitude=20.0))
    assert heard_by() == [None, ["pier", "roof"]]
    upsert(Report(source="ship", score=10, latitude=-20.0))
    assert sorted(map(str, heard_by())) == ["None", "None", "['pier', 'roof']"]


def test_no_more_than_some_feeds_are_kept() -> None:
    for n in range(statements.MOST_RECEIVERS + 2):
        upsert(Report(source=f"feed{n:02d}", received_at=later(n)))
    (found,) = heard_by()
    assert found is not None and len(found) == statements.MOST_RECEIVERS


def test_without_the_setting_no_further_feed_writes(settings: object) -> None:
    settings.KEEP_HEARD_BY = False  # type: ignore[attr-defined]
    statement = Upsert(VesselPosition)
    with connection.cursor():
        first = statement.send([Report(source="pier", timestamp=NOON)], "default")
        second = statement.send([Report(source="roof", timestamp=NOON, received_at=later(1))], "default")
    assert (first, second, heard_by()) == ((1, 0), (0, 0), [None])
