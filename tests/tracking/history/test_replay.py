"""Time travel: who was live at a moment, and the film of a span, wherever the rows lie."""

import datetime as dt
from itertools import accumulate
from typing import Any

import pytest
from django.contrib.auth.models import User
from rest_framework.test import APIClient

from tests.support.reports import NOON, Report, upsert
from tests.tracking.history.archived import MIDNIGHT, NEXT, archive_all, archive_dir, fill
from tracking import tasks
from tracking.history import replay
from tracking.history.files.storage import storage
from tracking.models import AircraftPosition, Vessel, VesselPosition

__all__ = ["archive_dir"]
pytestmark = [
    pytest.mark.django_db(transaction=True, databases=["default", "direct"]),
    pytest.mark.usefixtures("archive_dir"),
]
EVENING = MIDNIGHT + dt.timedelta(hours=20)
FILM = {"from": EVENING.isoformat(), "to": (EVENING + dt.timedelta(hours=8)).isoformat(), "step": "600"}


@pytest.fixture
def api() -> APIClient:
    client = APIClient()
    client.force_authenticate(User.objects.create_superuser("reader"))
    return client


def unfolded(film: dict[str, Any]) -> dict[str, list[tuple[int, int, int]]]:
    """(step, latitude, longitude) of each point by target, differences undone."""
    found, at = {}, 0
    for target, count in zip(film["targets"], film["counts"], strict=True):
        columns = (film[name][at : at + count] for name in ("steps", "latitudes", "longitudes"))
        found[target] = list(zip(*map(accumulate, columns), strict=True))
        at += count
    assert at == len(film["steps"])
    return found


def expected(model: Any, key: str, start: dt.datetime, end: dt.datetime, step: int) -> dict[str, Any]:
    """The same by hand, of PostgreSQL alone."""
    last: dict[Any, Any] = {}
    for row in model.objects.filter(timestamp__gte=start, timestamp__lt=end).order_by("timestamp"):
        slot = int((row.timestamp - start).total_seconds() // step)
        last[str(getattr(row, key)), slot] = round(row.latitude * 10_000), round(row.longitude * 10_000)
    found: dict[str, Any] = {}
    for (target, slot), place in sorted(last.items()):
        found.setdefault(target, []).append((slot, *place))
    return found


def test_a_film_is_the_last_position_of_each_step_across_the_border_of_the_archive(api: APIClient) -> None:
    fill(rows=500, ships=3)
    fill(rows=500, ships=3, day=NEXT, seed=2)
    arguments = (EVENING, EVENING + dt.timedelta(hours=8), 600)
    wanted = {
        "vessels": expected(VesselPosition, "vessel_id", *arguments),
        "aircraft": expected(AircraftPosition, "aircraft_id", *arguments),
    }
    assert len(wanted["vessels"]) == 3
    for edge in (MIDNIGHT.date(), NEXT, NEXT + dt.timedelta(days=1)):
        archive_all(edge)
        film = api.get("/api/replay/", FILM).json()
        assert {kind: unfolded(film[kind]) for kind in wanted} == wanted


def test_a_kept_hour_gives_the_same_film(api: APIClient) -> None:
    fill(rows=500, ships=3)
    span = {"from": NOON.isoformat(), "to": (NOON + dt.timedelta(hours=3)).isoformat()}
    before = {step: api.get("/api/replay/", {**span, "step": step}).json() for step in (60, 300, 45)}
    assert replay.keep_hour(VesselPosition, NOON + replay.HOUR) > 0
    assert {step: api.get("/api/replay/", {**span, "step": step}).json() for step in (60, 300, 45)} == before
    VesselPosition.objects.filter(timestamp__gte=NOON + replay.HOUR).delete()
    kept = unfolded(api.get("/api/replay/", span).json()["vessels"])
    assert {step // 60 for points in kept.values() for step, _, _ in points} == {0, 1}


def test_a_film_shows_the_box_only(api: APIClient) -> None:
    upsert(Report(longitude=179.5), Report(vessel_id=211000002, longitude=-179.5), Report(vessel_id=211000003))
    span = {"from": NOON.isoformat(), "to": (NOON + replay.HOUR).isoformat()}
    film = api.get("/api/replay/", {**span, "bbox": "170,-80,-170,80"}).json()
    assert film["vessels"]["targets"] == ["211000001", "211000002"]
    assert set(film["aircraft"]) == {"targets", "names", "types", "counts", "steps", "latitudes", "longitudes"}
    assert not any(film["aircraft"].values())


def test_a_film_says_who_they_were_and_of_what_type(api: APIClient) -> None:
    upsert(Report(vessel_id=211000001), Report(vessel_id=211000002))
    Vessel.objects.create(mmsi=211000002, kind="ship", name="AURORA", ship_type=70, first_seen=NOON, last_seen=NOON)
    span = {"from": NOON.isoformat(), "to": (NOON + replay.HOUR).isoformat()}
    film = api.get("/api/replay/", span).json()["vessels"]
    assert (film["names"], film["types"]) == (["", "AURORA"], ["", "70"])


def test_the_world_at_a_moment_is_what_was_live_then(api: APIClient) -> None:
    old, fresh = NOON - dt.timedelta(minutes=31), NOON - dt.timedelta(minutes=29)
    upsert(
        Report(timestamp=old), Report(vessel_id=211000002, timestamp=fresh, latitude=1.0),
        Report(vessel_id=211000002, timestamp=NOON, latitude=2.0),
        Report(vessel_id=211000002, timestamp=NOON + dt.timedelta(seconds=1), latitude=3.0),
    )  # fmt: skip
    for _ in range(2):
        found = api.get("/api/at/", {"time": NOON.isoformat()}).json()
        assert [(row["id"], row["latitude"]) for row in found["vessels"]] == [("211000002", 2.0)]
        assert api.get("/api/at/", {"time": NOON.isoformat(), "bbox": "0,5,20,60"}).json()["vessels"] == []
        archive_all()


@pytest.mark.parametrize(
    ("path", "query", "name"),
    [
        ("at", {}, "time"),
        ("at", {"time": "0001-01-01"}, "time"),
        ("at", {"time": "9999-12-31T23:59:59"}, "time"),
        ("at", {"time": "0", "limit": "0"}, "limit"),
        ("replay", {"from": "10"}, "to"),
        ("replay", {"from": "10", "to": "10"}, "to"),
        ("replay", {"from": "0", "to": "1000000"}, "step"),
        ("replay", {"from": "0", "to": "100", "box": "1"}, "box"),
    ],
)
def test_what_cannot_be_asked_is_a_400_that_says_why(api: APIClient, path: str, query: Any, name: str) -> None:
    answer = api.get(f"/api/{path}/", query)
    assert answer.status_code == 400 and name in answer.json()


def test_housekeeping_keeps_closed_hours(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.ARCHIVE_AFTER_DAYS = 7
    monkeypatch.setattr(replay, "HOURS_BACK", 2)
    assert "4 hours kept" in tasks.keep_house() and "0 hours kept" in tasks.keep_house()
    now = dt.datetime.now(dt.UTC)
    assert not storage().has(replay._name(VesselPosition, now.replace(minute=0, second=0, microsecond=0)))
