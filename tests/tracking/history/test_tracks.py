"""Tracks thinned by PostgreSQL: fewer points, the same line, and only reports that were stored."""

import datetime as dt
import math
import random

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test.utils import CaptureQueriesContext
from rest_framework.test import APIClient

from tracking.history import tracks
from tracking.history.door import HistorySpan
from tracking.models import Vessel, VesselPosition

pytestmark = pytest.mark.django_db

BEGAN = dt.datetime(2026, 5, 1, tzinfo=dt.UTC)
DAY = dt.timedelta(days=1)
FIELDS = ("timestamp", "latitude", "longitude", "speed")
SHIP = 211000001


def sail(count: int, seed: int = 1) -> list[VesselPosition]:
    """A day of reports every few seconds: a slow zigzag with noise."""
    chance = random.Random(seed)
    rows = [
        VesselPosition(
            vessel_id=SHIP,
            timestamp=(at := BEGAN + DAY * number / count),
            latitude=54 + math.sin(number / count * 9) + chance.random() / 1000,
            longitude=10 + number / count + chance.random() / 1000,
            speed=None if number % 7 == 0 else 9.5,
            received_at=at,
            source="pier",
            score=80,
        )
        for number in range(count)
    ]
    VesselPosition.objects.bulk_create(rows)
    return rows


def outline(limit: int) -> list[tracks.Point]:
    return tracks.outline(HistorySpan(VesselPosition, BEGAN, BEGAN + DAY, SHIP), FIELDS, limit)


@pytest.mark.parametrize("limit", [12, 60, 600])
def test_an_outline_has_at_most_the_points_asked_for_all_of_them_stored_in_order(limit: int) -> None:
    stored = {tuple(getattr(row, field) for field in FIELDS) for row in sail(3000)}
    points = outline(limit)
    assert limit // 3 < len(points) <= limit
    assert {tuple(point[field] for field in FIELDS) for point in points} <= stored
    moments = [point["timestamp"] for point in points]
    assert moments == sorted(moments)


def test_ends_and_extremes_stay() -> None:
    rows = sail(3000)
    points = outline(60)
    assert (points[0]["timestamp"], points[-1]["timestamp"]) == (rows[0].timestamp, rows[-1].timestamp)
    for axis in ("latitude", "longitude"):
        for extreme in (min, max):
            assert extreme(point[axis] for point in points) == extreme(getattr(row, axis) for row in rows)


def test_a_ship_at_anchor_comes_down_to_a_few_points() -> None:
    sail(0)
    place = {"latitude": 54.0, "longitude": 10.0, "source": "pier", "score": 80}
    VesselPosition.objects.bulk_create(
        VesselPosition(vessel_id=SHIP, timestamp=(at := BEGAN + DAY * n / 500), received_at=at, **place)
        for n in range(500)
    )
    assert len(outline(60)) <= 20


def test_a_range_without_positions_has_no_points() -> None:
    assert outline(60) == []


def test_the_api_thins_only_what_is_longer_than_asked_for() -> None:
    Vessel.objects.create(mmsi=SHIP, kind="ship", first_seen=BEGAN, last_seen=BEGAN + DAY)
    sail(200)
    client = APIClient()
    client.force_authenticate(User.objects.create(username="reader"))
    query = {"from": BEGAN.isoformat(), "to": (BEGAN + DAY).isoformat()}
    whole = client.get(f"/api/vessels/{SHIP}/track/", {**query, "points": "200"}).json()
    assert (len(whole["points"]), whole["simplified"], whole["truncated"]) == (200, False, False)
    with CaptureQueriesContext(connection) as queries:
        thinned = client.get(f"/api/vessels/{SHIP}/track/", {**query, "points": "60"}).json()
    assert thinned["simplified"] and not thinned["truncated"] and 20 < len(thinned["points"]) <= 60
    assert len(queries) <= 5
    refused = client.get(f"/api/vessels/{SHIP}/track/", {**query, "points": "5"})
    assert refused.status_code == 400 and "points" in refused.json()
