"""Live state: what a box holds, and what changed within it."""

import random

import pytest

from tests.support.live_updates import WRITTEN, at, keys, known
from tracking.live.state import LiveWrite

pytestmark = pytest.mark.usefixtures("live_redis")


# --- boxes ------------------------------------------------------------------------------------------------------------


@pytest.fixture
def globe(vessels, now) -> list[tuple[str, float, float]]:
    """20,000 targets as (key, latitude, longitude), half of them crowded in one bay, some on the edges of the globe."""
    order = random.Random(11)
    spread = [(round(order.uniform(-90, 90), 7), round(order.uniform(-180, 180), 7)) for _ in range(10_000)]
    crowd = [(round(order.gauss(54, 0.5), 7), round(order.gauss(10, 0.5), 7)) for _ in range(9_990)]
    edges = [(lat, lon) for lat in (-90.0, -85.05112878, 0.0, 85.05112878, 90.0) for lon in (-180.0, 180.0)]
    points = [(str(key), lat, lon) for key, (lat, lon) in enumerate(spread + crowd + edges)]
    assert vessels.write([at(now, lat, lon, key) for key, lat, lon in points]) == LiveWrite(written=20_000)
    return points


def test_a_box_holds_exactly_what_brute_force_finds(vessels, globe):
    order = random.Random(13)
    boxes = [(-180, -90, 180, 90), (-180, 85.06, 180, 90), (-180, -90, 180, -85), (9.999, 53.999, 10.001, 54.001)]
    boxes += [(170, -60, -170, 60), (0, -90, -0.001, 90), (180, -90, -180, 90), (-180, 0, -180, 0)]
    boxes += [(lon, lat, lon, lat) for _, lat, lon in order.sample(globe, 5)]
    for size in (0.01, 1, 20, 120):
        for _ in range(10):
            south = order.uniform(-90, 90 - min(size, 90))
            west, east = order.uniform(-180, 180), order.uniform(0, 2 * size)
            boxes.append((west, south, (west + east + 180) % 360 - 180, min(90, south + order.uniform(0, size))))
    for west, south, east, north in boxes:
        across = west > east
        expected = {
            key
            for key, lat, lon in globe
            if south <= lat <= north and ((lon >= west or lon <= east) if across else west <= lon <= east)
        }
        found = vessels.in_box(west, south, east, north)
        assert keys(found) == expected, (west, south, east, north)
        assert len(found) == len(expected)


def test_a_box_over_the_antimeridian_holds_both_sides_and_nothing_between(vessels, now):
    vessels.write([at(now, -17.0, lon, str(lon)) for lon in (179.5, -179.5, 180.0, 0.0)])
    assert keys(vessels.in_box(179, -18, -179, -16)) == {"179.5", "-179.5", "180.0"}


def test_a_target_near_the_pole_is_found_without_geo_and_returns_to_it(vessels, live_redis, now):
    for ts, latitude, in_geo in ((now - 3, 84.0, 1), (now - 2, 88.0, 0), (now - 1, -88.0, 0), (now, 85.0, 1)):
        assert vessels.write([at(ts, latitude)]) == WRITTEN
        assert known(live_redis) == {"active": 1, "geo": in_geo, "polar": 1 - in_geo, "fields": 1}
        assert keys(vessels.in_box(10, latitude - 0.1, 11, latitude + 0.1)) == {"211"}
        assert vessels.in_box(11, -90, 12, 90) == []


def test_a_limit_cuts_the_box(vessels, globe):
    assert len(vessels.in_box(-180, -90, 180, 90, limit=1500)) == 1500


@pytest.mark.parametrize(
    "box", [(0, 10, 1, 9), (-181, 0, 0, 1), (0, 0, 181, 1), (0, -91, 1, 0), (0, 0, float("nan"), 1)]
)
def test_a_box_off_the_globe_raises(vessels, box):
    with pytest.raises(ValueError, match="no box"):
        vessels.in_box(*box)


def test_changes_come_oldest_first_within_the_box_and_limit(vessels, now):
    vessels.write([at(now - age, 54 + age / 10, key=str(age)) for age in range(10)])
    assert [document["id"] for document in vessels.changed_since(now - 4)] == ["3", "2", "1", "0"]
    assert [document["id"] for document in vessels.changed_since(now - 4, limit=2)] == ["3", "2"]
    assert [document["id"] for document in vessels.changed_since(now - 4, bbox=(10, 54.05, 11, 54.25))] == ["2", "1"]
    assert vessels.changed_since(now) == []
