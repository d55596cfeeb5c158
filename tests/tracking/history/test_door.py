"""One history: whether a day lies in PostgreSQL, in the archive or in both, the same rows come out."""

import datetime as dt
from typing import Any

import pytest
from django.contrib.auth.models import User
from rest_framework.test import APIClient

from tests.support.reports import NOON, Report, upsert
from tests.tracking.history.archived import DAY, MIDNIGHT, NEXT, archive_all, archive_dir, fill
from tracking.history import door, engine, partitions, tracks
from tracking.history.door import HistorySpan
from tracking.models import Aircraft, AircraftPosition, ArchivedDay, Vessel, VesselPosition

__all__ = ["archive_dir"]
pytestmark = [
    pytest.mark.django_db(transaction=True, databases=["default", "direct"]),
    pytest.mark.usefixtures("archive_dir"),
]
TWO_DAYS = (MIDNIGHT, MIDNIGHT + dt.timedelta(days=2))
SHIP, PLANE = 211_000_001, "3c0003"
EAST, PACIFIC = (-10.0, -30.0, 170.0, 90.0), (150.0, -60.0, -120.0, 60.0)


def everything() -> dict[str, Any]:
    """Each question that the door answers, about two days."""
    ttl = dt.timedelta(hours=1)
    return {
        "ship": door.positions_of(HistorySpan(VesselPosition, *TWO_DAYS, SHIP), 1000),
        "first of a plane": door.positions_of(HistorySpan(AircraftPosition, *TWO_DAYS, PLANE), 7),
        "box": list(door.stream(HistorySpan(VesselPosition, *TWO_DAYS, box=EAST))),
        "antimeridian": list(door.stream(HistorySpan(AircraftPosition, *TWO_DAYS, box=PACIFIC))),
        "all": list(door.stream(HistorySpan(AircraftPosition, *TWO_DAYS))),
        "world": sorted(map(str, door.world_at(VesselPosition, NOON, ttl, None, 1000))),
        "box at midnight": sorted(map(str, door.world_at(VesselPosition, TWO_DAYS[0] + ttl * 24, ttl * 6, EAST, 1000))),
        "outline": tracks.outline(HistorySpan(VesselPosition, *TWO_DAYS, SHIP), ("timestamp", "latitude"), 12),
    }


@pytest.fixture
def two_days() -> None:
    fill(rows=500, ships=5)
    fill(rows=500, day=NEXT, seed=2, ships=5)


@pytest.mark.parametrize("edge", [NEXT, NEXT + dt.timedelta(days=1)], ids=["half archived", "all archived"])
def test_the_answers_are_the_same_wherever_the_rows_lie(two_days: None, edge: dt.date) -> None:
    before = everything()
    assert len(before["ship"]) == 200 and len(before["all"]) == 1000 and before["box"] and before["antimeridian"]
    assert len(before["outline"]) in range(6, 13) and before["world"] and before["box at midnight"]
    archive_all(edge)
    assert (VesselPosition.objects.count() == 0) == (edge != NEXT)
    assert everything() == before


def test_pages_do_not_change_what_is_streamed(two_days: None, monkeypatch: pytest.MonkeyPatch) -> None:
    before = everything()
    monkeypatch.setattr(door, "PAGE", 7)
    monkeypatch.setattr(door, "ARCHIVED_PAGE", 11)
    assert everything() == before
    archive_all(NEXT)
    assert everything() == before


def test_late_rows_beside_the_archive_are_merged_by_the_conflict_rule() -> None:
    partitions.make([DAY])
    late = {"timestamp": MIDNIGHT + dt.timedelta(hours=1), "received_at": MIDNIGHT}
    upsert(Report(**late, speed=5.0, score=50), Report(timestamp=NOON))
    archive_all()
    upsert(Report(**late, latitude=55.0, heading=90, score=60), Report(timestamp=MIDNIGHT))
    rows = door.positions_of(HistorySpan(VesselPosition, *TWO_DAYS, SHIP), 10)
    assert [row["timestamp"] for row in rows] == [MIDNIGHT, late["timestamp"], NOON]
    # Of another place nothing is taken, so its speed fills no gap.
    assert [rows[1][name] for name in ("latitude", "heading", "speed", "score")] == [55.0, 90, None, 60]
    assert list(door.stream(HistorySpan(VesselPosition, *TWO_DAYS))) == rows


def test_a_day_that_is_archived_while_it_is_read_is_read_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    fill(rows=50)
    before = list(door.stream(HistorySpan(VesselPosition, *TWO_DAYS)))
    monkeypatch.setattr(door, "PAGE", 10)
    reading = door.stream(HistorySpan(VesselPosition, *TWO_DAYS))
    first = [next(reading) for _ in range(15)]
    archive_all()
    assert first + list(reading) == before


def test_a_restored_day_is_read_of_postgresql_only(two_days: None) -> None:
    from tests.tracking.history.archived import restore_all

    before = everything()
    archive_all()
    restore_all()
    assert everything() == before


def test_a_file_that_is_gone_is_told(archive_dir: Any) -> None:
    fill(rows=5)
    archive_all()
    (archive_dir / "kind=vessel/day=2026-05-01/positions.parquet").unlink()
    with pytest.raises(engine.ArchiveUnread):
        door.positions_of(HistorySpan(VesselPosition, *TWO_DAYS, SHIP), 10)


def test_columns_that_came_after_a_file_have_their_default(archive_dir: Any) -> None:
    import pyarrow.parquet as pq

    fill(rows=5)
    archive_all()
    path = archive_dir / "kind=vessel/day=2026-05-01/positions.parquet"
    pq.write_table(pq.read_table(path, partitioning=None).drop_columns(["heading"]), path)
    assert {row["heading"] for row in door.stream(HistorySpan(VesselPosition, *TWO_DAYS))} == {None}


def test_the_api_reads_through_the_door(archive_dir: Any) -> None:
    client = APIClient()
    client.force_authenticate(User.objects.create_superuser("reader"))
    seen = {"first_seen": NOON, "last_seen": MIDNIGHT + dt.timedelta(hours=23)}
    Vessel.objects.create(mmsi=SHIP, kind="ship", **seen)
    Aircraft.objects.create(icao=PLANE, **seen)
    fill(rows=500)
    addresses = [f"/api/vessels/{SHIP}/track/", f"/api/aircraft/{PLANE}/track/?points=12", f"/api/vessels/{SHIP}/"]
    before = [client.get(address).json() for address in addresses]
    assert before[0]["points"] and before[2]["position"]
    archive_all()
    assert [client.get(address).json() for address in addresses] == before
    assert ArchivedDay.objects.count() == 2
    (archive_dir / "kind=vessel/day=2026-05-01/positions.parquet").unlink()
    assert client.get(addresses[0]).status_code == 503
