"""Live lists asked in other ways than by a box: around a place, by name, changed since a time."""

from typing import Any

import pytest
from django.test import Client
from redis import Redis

from tracking.live.nearest import distance_m
from tracking.live.state import LiveKind, LiveState, LiveUpdate
from tracking.live_api.live import answers

pytestmark = pytest.mark.usefixtures("live_redis", "public")
KIEL = "54.3,10.1"


@pytest.fixture
def public(settings: Any) -> None:
    settings.LIVE_PUBLIC = True
    answers.clear()


@pytest.fixture
def fleet(live_redis: Redis) -> float:
    """Five ships; the server's time, at which the last of them was heard."""
    now = float(live_redis.time()[0])
    places = {
        "211000001": (54.31, 10.1),
        "211000002": (54.9, 10.1),
        "1000003": (54.3, 10.11),
        "211000004": (89.5, 0.0),
        "211000005": (89.5, 180.0),
    }
    for back, (key, place) in enumerate(places.items()):
        LiveState(LiveKind.VESSEL).write([LiveUpdate(key, now - 10 * back, *place, {"score": 75})])
    return now


def asked(query: str) -> dict[str, Any]:
    response = Client().get(f"/api/live/vessels/?{query}")
    assert response.status_code == 200, response.content
    return response.json()


def ids(query: str) -> list[str]:
    return [found["id"] for found in asked(query)["results"]]


@pytest.mark.usefixtures("fleet")
def test_the_nearest_come_first_with_their_distances() -> None:
    found = asked(f"near={KIEL}&within=60")["results"]
    assert [one["id"] for one in found] == ["1000003", "211000001", "211000002"]
    assert [one["distance_nm"] for one in found] == pytest.approx([0.351, 0.6, 36.04], abs=0.02)
    assert found[0]["lat"] == 54.3


@pytest.mark.usefixtures("fleet")
def test_within_and_limit_cut_the_list() -> None:
    assert ids(f"near={KIEL}&within=0.5") == ["1000003"]
    assert ids(f"near={KIEL}") == ["1000003", "211000001"], "25 miles unless more is asked for"
    body = asked(f"near={KIEL}&within=60&limit=1")
    assert ([one["id"] for one in body["results"]], body["truncated"]) == (["1000003"], True)


@pytest.mark.usefixtures("fleet")
def test_neither_the_pole_nor_the_limit_of_the_index_hides_a_neighbour() -> None:
    assert set(ids("near=90,77&within=31")) == {"211000004", "211000005"}
    assert ids("near=89.9,1&within=30") == ["211000004"]


def test_distances_are_those_of_the_great_circle() -> None:
    assert distance_m(0, 0, 0, 180) == pytest.approx(3.14159265 * 6372797.56, rel=1e-6)
    assert distance_m(10, 20, 10, 20) == 0


@pytest.mark.usefixtures("fleet")
def test_targets_by_name_come_in_the_order_of_the_names() -> None:
    assert ids("ids=001000003,211000001,999999999,211000001") == ["1000003", "211000001"]
    assert ids("ids=999") == []


def test_what_changed_since_a_time_comes_the_oldest_first(fleet: float) -> None:
    assert ids(f"changed_since={fleet - 15:.0f}") == ["211000002", "211000001"]
    assert ids(f"changed_since={fleet - 15:.0f}&bbox=10,54.8,11,55") == ["211000002"]
    assert ids(f"changed_since={fleet:.0f}") == []


@pytest.mark.parametrize(
    "query",
    [
        "near=54",
        "near=91,0",
        "near=nan,0",
        "near=1,2,3",
        "within=5",
        f"near={KIEL}&within=0",
        f"near={KIEL}&within=nan",
        f"near={KIEL}&within=1000",
        f"near={KIEL}&bbox=0,0,1,1",
        f"near={KIEL}&ids=1",
        f"near={KIEL}&changed_since=0",
        "ids=1&changed_since=0",
        "ids=",
        "changed_since=",
        "bbox=",
        "changed_since=yesterday",
        "ids=" + ",".join("1" * 501),
    ],
)
def test_what_makes_no_sense_is_refused(query: str) -> None:
    assert Client().get(f"/api/live/vessels/?{query}").status_code == 400
