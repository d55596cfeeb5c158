"""What no batch shows: ships gone dark, encounters, verdicts, and what is over because nothing more is heard."""

import datetime as dt
import math
import time
from typing import Any

import msgspec
import numpy as np
import pytest
from redis import Redis

from resilience import clocks
from tests.support.messages import position, static
from tests.tracking.events.world import INSIDE, SHIP, derive, fence, hear, kinds, now_ms, watch_list
from tracking import tasks
from tracking.events import encounters, held, keeping, recording, silence, verdicts
from tracking.events.models.event import Event, EventKind
from tracking.events.ships import LiveShip
from tracking.live.state import LiveKind, LiveState, LiveUpdate
from tracking.truth.models import Dispute, Jump, PositionKind
from tracking.truth.notes import moment

pytestmark = [
    pytest.mark.django_db(transaction=True, databases=["default", "direct"]),
    pytest.mark.usefixtures("live_redis"),
]
__all__ = ["derive", "static"]

OTHERS = [211000001 + number for number in range(4)]


def ago(seconds: float) -> dt.datetime:
    return clocks.database_now() - dt.timedelta(seconds=seconds)


def neighbours(before: float, **fields: Any) -> None:
    hear([position(mmsi=mmsi, lat=52.0 + n * 0.01, lon=4.0, **fields) for n, mmsi in enumerate(OTHERS)], before)


# --- gone dark --------------------------------------------------------------------------------------------------------
def reports(every: float, until: float, count: int = 8) -> None:
    """A ship's reports, the last one `until` seconds ago."""
    for number in range(count):
        before = until + every * (count - 1 - number)
        hear([position(lat=52.0 + number * 0.0005, lon=4.0)], before)


def test_a_ship_that_is_silent_for_many_of_her_intervals_where_others_are_heard_has_gone_dark():
    reports(every=10, until=400)
    neighbours(5)
    assert silence.look() == 1
    event = Event.objects.get()
    assert (event.kind, event.identity, event.until) == ("dark", str(SHIP), None)
    assert event.values["interval_seconds"] == pytest.approx(10, abs=0.5)
    assert event.since == pytest.approx(ago(400), abs=dt.timedelta(seconds=10))
    assert silence.look() == 0, "she is told of once"
    hear([position(lat=52.01, lon=4.0)], 1)
    assert silence.look() == 1
    assert kinds() == [("dark", True)]


def test_a_ship_that_reports_seldom_or_sailed_out_of_reach_has_not():
    reports(every=120, until=400)
    neighbours(5)
    assert silence.look() == 0


def test_without_others_around_nobody_is_called_dark():
    reports(every=10, until=400)
    assert silence.look() == 0
    hear([position(mmsi=mmsi, lat=54.0, lon=4.0 + n * 0.01) for n, mmsi in enumerate(OTHERS)], 5)
    assert silence.look() == 0


def test_a_ship_that_lies_still_has_not_gone_dark():
    still = LiveShip(id="244660123", ts=0.0, lat=52.0, lon=4.0, speed=0.1, source="test")
    sailing = msgspec.structs.replace(still, speed=9.0)
    around = [msgspec.structs.replace(still, id=str(mmsi), ts=1000.0) for mmsi in OTHERS]
    assert silence.silent_among([still, *around], 1000.0) == []
    assert silence.silent_among([sailing, *around], 1000.0) == [sailing]


# --- encounters -------------------------------------------------------------------------------------------------------
def ship(mmsi: int, lat: float, lon: float, course: float, speed: float = 12.0, **fields: Any) -> dict[str, Any]:
    return {
        "id": str(mmsi),
        "ts": 1000.0,
        "ages": {},
        "lat": lat,
        "lon": lon,
        "course": course,
        "speed": speed,
    } | fields


HEAD_ON = [ship(211000001, 52.0, 4.0, 90.0), ship(211000002, 52.0, 4.05, 270.0)]  # 1.85 nm at 24 knots: 4.6 minutes


def meeting(ships: list[dict[str, Any]], limit: float = 0.3, minutes: float = 10.0) -> list[tuple[float, float]]:
    """(CPA, TCPA) of the pairs that are an encounter."""
    pairs = encounters.approaches(encounters.columns([LiveShip(**one) for one in ships], 1000.0), minutes)
    return [(pairs.cpa_nm[n], pairs.tcpa_minutes[n]) for n in encounters._within(pairs, limit, minutes)]


def test_two_ships_head_on_meet_when_and_where_they_do():
    [(cpa, tcpa)] = meeting(HEAD_ON)
    assert cpa == pytest.approx(0, abs=0.001)
    assert tcpa == pytest.approx(0.05 * 60 * np.cos(np.radians(52)) / 24 * 60, rel=0.001)


def test_over_the_antimeridian_they_meet_as_well_whoever_of_them_moves():
    assert len(meeting([ship(211000001, 52.0, 179.98, 90.0), ship(211000002, 52.0, -179.98, 270.0)])) == 1
    assert len(meeting([ship(211000001, 52.0, 179.98, 0.0, 0.0), ship(211000002, 52.0, -179.98, 270.0)])) == 1


@pytest.mark.parametrize(
    "pair",
    [
        [ship(211000001, 52.0, 4.0, 270.0), ship(211000002, 52.0, 4.05, 90.0)],  # apart
        [ship(211000001, 52.0, 4.0, 90.0), ship(211000002, 52.01, 4.05, 270.0)],  # 0.6 nm
        [ship(211000001, 52.0, 4.0, 90.0, 0.3), ship(211000002, 52.0, 4.001, 0.0, 0.2)],  # both lie still
        [ship(211000001, 52.0, 4.0, 90.0), ship(211000002, 52.0, 4.05, 270.0, 0.0, status=5)],  # one is moored
        [ship(211000001, 52.0, 4.0, 90.0), ship(211000002, 52.0, 4.001, 90.0)],  # together
        [ship(211000001, 52.0, 4.0, 90.0), ship(111211002, 52.0, 4.05, 270.0)],  # a SAR aircraft
        [ship(211000001, 52.0, 4.0, 90.0), ship(211000002, 52.0, 4.05, 270.0, ts=500.0)],  # heard long ago
    ],
)
def test_pairs_that_do_not_meet_or_are_mute(pair: list[dict[str, Any]]):
    assert meeting(pair) == []


def test_a_ship_at_anchor_is_met_by_one_that_moves():
    assert len(meeting([ship(211000001, 52.0, 4.0, 90.0), ship(211000002, 52.0, 4.05, 0.0, 0.1, status=1)])) == 1


def test_all_pairs_are_those_of_a_search_without_a_tree():
    chance = np.random.default_rng(1)
    ships = [
        ship(211000001 + n, 52 + north / 2, 4 + east, 360 * course, 3 + 17 * speed)
        for n, (north, east, course, speed) in enumerate(chance.random((150, 4)).tolist())
    ]
    pairs = encounters.approaches(encounters.columns([LiveShip(**one) for one in ships], 1000.0), 10)
    told = {(pairs.first[n], pairs.second[n]) for n in encounters._within(pairs, 0.3, 10)}
    expected = {(n, m) for n in range(150) for m in range(n + 1, 150) if closest(ships[n], ships[m]) < 0.3}
    assert told == expected
    assert len(told) > 5


def closest(one: dict[str, Any], other: dict[str, Any]) -> float:
    """Nautical miles at the closest within ten minutes, inf for what the rule is silent of."""
    scale = 60 * math.cos(math.radians((one["lat"] + other["lat"]) / 2))
    x, y = (other["lon"] - one["lon"]) * scale, (other["lat"] - one["lat"]) * 60
    a, b = (math.radians(ship["course"]) for ship in (one, other))
    u = other["speed"] * math.sin(b) - one["speed"] * math.sin(a)
    v = other["speed"] * math.cos(b) - one["speed"] * math.cos(a)
    hours = -(x * u + y * v) / (u * u + v * v)
    if math.hypot(u, v) < encounters.LEAST_CLOSING_KNOTS or not 0 <= hours < 10 / 60:
        return math.inf
    return math.hypot(x + u * hours, y + v * hours)


def sea(ships: list[dict[str, Any]], now: float) -> None:
    LiveState(LiveKind.VESSEL).write(
        LiveUpdate(
            one["id"], now, one["lat"], one["lon"], {"course": one["course"], "speed": one["speed"]}, {}, {"name": "N"}
        )
        for one in ships
    )


def test_an_encounter_is_told_of_once_goes_on_within_the_hysteresis_and_is_over_when_they_passed():
    now = time.time()
    sea(HEAD_ON, now)
    assert encounters.look(now) == 1
    event = Event.objects.get()
    assert (event.identity, event.reference, event.until) == ("211000001", "211000002", None)
    wider = [HEAD_ON[0], dict(HEAD_ON[1], lat=52.0065)]  # 0.39 nm
    sea(wider, now + 1)
    assert encounters.look(now + 1) == 0
    passed = [dict(HEAD_ON[0], lon=4.1), dict(HEAD_ON[1], lon=4.0)]
    sea(passed, now + 2)
    encounters.look(now + 2)
    assert Event.objects.get().until is None, "the quiet period runs"
    Event.objects.update(held_at=ago(100), since=ago(200))
    encounters.look(now + 2)
    assert kinds() == [("encounter", True)]


def test_the_thread_looks_in_one_process_at_a_time_and_a_setting_turns_it_off(settings: Any):
    now = time.time()
    sea(HEAD_ON, now)
    settings.ENCOUNTER_NM = 0.0
    encounters.EncounterWatch().attempt()
    assert kinds() == []
    settings.ENCOUNTER_NM = 0.3
    encounters.EncounterWatch().attempt()
    assert kinds() == [("encounter", False)]
    Event.objects.all().delete()
    encounters.EncounterWatch().attempt()
    assert kinds() == [], "the lease is held"


# --- verdicts ---------------------------------------------------------------------------------------------------------
def test_a_dispute_of_two_confirmed_tracks_is_an_event_until_the_judge_closes_it():
    tracks = [[[[0, 54.5, 10.2, 1.0, None, 0]], [], 3, number, True, None, None] for number in (0, 1)]
    dispute = Dispute.objects.create(
        subject="vessel", identity="211000001", since=ago(60), judged_until=ago(1), state={"tracks": tracks}
    )
    lone = [tracks[0], [*tracks[1][:4], False, None, None]]
    Dispute.objects.create(
        subject="vessel", identity="211000002", since=ago(60), judged_until=ago(1), state={"tracks": lone}
    )
    assert verdicts.look() == 1
    assert verdicts.look() == 0
    assert (Event.objects.get().identity, len(Event.objects.get().values["places"])) == ("211000001", 2)
    Dispute.objects.filter(pk=dispute.pk).update(until=ago(1))
    assert verdicts.look() == 1
    assert kinds() == [("dispute", True)]


def test_a_spoofed_fleet_is_one_event_of_its_area():
    for number in range(6):
        Jump.objects.create(
            subject="vessel", identity=f"21100000{number}", at=ago(60 + number), latitude=44.1, longitude=37.2,
            from_latitude=44.7, from_longitude=37.8, number=1, fleet=True,
        )  # fmt: skip
    assert verdicts.look() == 1
    event = Event.objects.get()
    assert (event.kind, event.identity, event.values["count"]) == ("spoofed", "44:37", 6)


# --- what is over -----------------------------------------------------------------------------------------------------
def test_a_ship_that_is_heard_no_more_has_left_the_fence_after_half_an_hour():
    fence()
    hear([position(**INSIDE)], 60)
    assert keeping.keep().closed == 0
    old = now_ms() - 3_000_000
    held.save(PositionKind.VESSEL, {SHIP: held.Held(old, {name: (old, old) for name in ("entered:1",)})})
    Event.objects.update(since=moment(old), held_at=moment(old))
    assert keeping.keep().closed == 1
    assert kinds() == [("entered", True)]


def test_what_is_held_keeps_its_event_open_and_a_lost_redis_closes_it_only_after_the_quiet_period(live_redis: Redis):
    watch_list(str(SHIP))
    hear([position()], 1000)
    hear([position(lat=52.01)], 1)
    Event.objects.update(held_at=ago(1000))
    keeping.keep()
    assert Event.objects.get().held_at > ago(60)
    live_redis.flushdb()
    assert keeping.keep().closed == 0
    Event.objects.update(since=ago(4000), held_at=ago(3000))
    assert keeping.keep().closed == 1


def test_events_that_are_over_are_deleted_after_their_days_and_the_task_says_what_it_did(settings: Any):
    settings.KEEP_EVENTS_DAYS = 10
    for identity, days in (("211000001", 11), ("211000002", 9)):
        begun = round(ago(days * 86400).timestamp() * 1000)
        recording.record([recording.Note(EventKind.LEFT, "vessel", identity, "1", begun)])
    assert tasks.look_for_events() == "0 ships gone dark or back, 0 verdicts told, 0 events over, 1 deleted"
    assert Event.objects.get().identity == "211000002"
