"""Live state read back from PostgreSQL: whose newest position, with which older values, and from which partitions."""

import datetime as dt
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from tracking.history import partitions
from tracking.live import reload as live_reload
from tracking.live.state import LiveKind, LiveState, LiveUpdate
from tracking.models import Aircraft, AircraftPosition, Station, Vessel, VesselPosition

pytestmark = pytest.mark.django_db

TTL = 1800
AIS = {"name": "NOORDZEE", "callsign": "PABC", "ship_type": 70}


@pytest.fixture
def now() -> dt.datetime:
    return timezone.now().replace(microsecond=250_000)


def vessel(mmsi: int, seen: dt.datetime, **fields: Any) -> None:
    Vessel.objects.create(mmsi=mmsi, kind="ship", first_seen=seen, last_seen=seen, **fields)


def heard(mmsi: int, at: dt.datetime, **fields: Any) -> None:
    where = {"latitude": 54.5, "longitude": 10.25, "source": "harbour", "score": 80}
    VesselPosition.objects.create(vessel_id=mmsi, timestamp=at, received_at=at, **where | fields)


def ago(now: dt.datetime, seconds: float) -> dt.datetime:
    return now - dt.timedelta(seconds=seconds)


def read(kind: LiveKind, now: dt.datetime) -> dict[str, LiveUpdate]:
    page = live_reload.read(kind, live_reload.span(now, TTL))
    assert page.after is None
    return {update.key: update for update in page.updates}


def test_the_newest_position_comes_with_its_values_and_the_static_data(now):
    vessel(211, now, static_at=ago(now, 4000), eta=now, **AIS)
    heard(211, ago(now, 60), latitude=1.0, speed=1.0)
    heard(211, now, speed=12.5, course=0.0, heading=0, status=0, source="pier", score=40)

    update = read(LiveKind.VESSEL, now)["211"]
    assert (update.ts, update.latitude, update.longitude) == (now.timestamp(), 54.5, 10.25)
    assert update.fields == {"source": "pier", "score": 40, "speed": 12.5, "course": 0.0, "heading": 0, "status": 0}
    assert update.ages == {}
    assert update.static == AIS | {"eta": now.isoformat()}


def test_values_that_the_newest_lacks_come_from_the_rows_before_with_their_ages(now):
    vessel(211, now)
    heard(211, ago(now, 90), speed=9.0, heading=9)
    heard(211, ago(now, 60), speed=1.0)
    heard(211, now, course=45.5)

    update = read(LiveKind.VESSEL, now)["211"]
    assert {name: update.fields[name] for name in ("speed", "course", "heading")} == {
        "speed": 1.0,
        "course": 45.5,
        "heading": 9,
    }
    assert update.ages == {"speed": ago(now, 60).timestamp(), "heading": ago(now, 90).timestamp()}
    assert "status" not in update.fields


def test_nothing_older_than_the_ttl_comes_back(now):
    vessel(211, ago(now, TTL + 200))
    heard(211, ago(now, TTL + 200))
    vessel(212, now)
    heard(212, ago(now, TTL + 60), speed=1.0)
    heard(212, ago(now, TTL - 60))
    vessel(213, now, static_at=ago(now, TTL + 60), **AIS)

    found = read(LiveKind.VESSEL, now)
    assert set(found) == {"212"} and "speed" not in found["212"].fields


def test_a_target_whose_last_seen_is_a_minute_late_is_not_missed(now):
    vessel(211, ago(now, TTL + 59))
    heard(211, ago(now, TTL - 1))
    assert set(read(LiveKind.VESSEL, now)) == {"211"}


def test_a_position_of_the_far_future_does_not_hide_the_present_one(now):
    vessel(211, now)
    heard(211, ago(now, -3600), speed=99.0)
    heard(211, now, speed=5.0)
    assert read(LiveKind.VESSEL, now)["211"].fields["speed"] == 5.0


def test_a_vessel_known_by_static_reports_alone_has_no_position(now):
    vessel(211, now, static_at=ago(now, 5), **AIS)
    update = read(LiveKind.VESSEL, now)["211"]
    assert (update.ts, update.latitude, update.fields, update.static) == (ago(now, 5).timestamp(), None, {}, AIS)


def test_aircraft_come_back_with_altitude_and_callsign(now, live_redis):
    Aircraft.objects.create(icao="4ca7b5", callsign="EIN1", first_seen=now, last_seen=now, static_at=now)
    Aircraft.objects.create(icao="~4ca7b5", first_seen=now, last_seen=now)
    place = {"latitude": 53.4, "longitude": -6.2, "source": "roof", "score": 80, "received_at": now}
    for icao in ("4ca7b5", "~4ca7b5"):
        AircraftPosition.objects.create(
            aircraft_id=icao, timestamp=ago(now, 9), vertical_rate=-64, on_ground=False, **place
        )
        AircraftPosition.objects.create(aircraft_id=icao, timestamp=now, altitude=35000, heading=270.5, **place)

    found = read(LiveKind.AIRCRAFT, now)
    LiveState(LiveKind.AIRCRAFT).write(found.values())
    document = LiveState(LiveKind.AIRCRAFT).get("4ca7b5")
    older = ago(now, 9).timestamp()
    assert document == {
        "id": "4ca7b5",
        "ts": now.timestamp(),
        "lat": 53.4,
        "lon": -6.2,
        "altitude": 35000,
        "heading": 270.5,
        "vertical_rate": -64,
        "on_ground": False,
        "source": "roof",
        "score": 80,
        "callsign": "EIN1",
        "ages": {"vertical_rate": older, "on_ground": older},
    }
    assert set(found) == {"4ca7b5", "~4ca7b5"}


def test_stations_come_back_with_and_without_a_place(now):
    common = {"kind": "aid", "first_seen": now}
    Station.objects.create(mmsi=992, name="MAAS", latitude=52.0, longitude=4.0, aid_type=9, last_seen=now, **common)
    Station.objects.create(mmsi=993, last_seen=now, **common)
    Station.objects.create(mmsi=994, last_seen=ago(now, TTL + 1), **common)

    found = read(LiveKind.STATION, now)
    assert set(found) == {"992", "993"}
    assert (found["992"].latitude, found["992"].static) == (52.0, {"kind": "aid", "name": "MAAS", "aid_type": 9})
    assert (found["993"].latitude, found["993"].static) == (None, {"kind": "aid"})


def test_pages_give_every_target_once_and_end(now):
    for mmsi in range(1, 8):
        vessel(mmsi, now)
        if mmsi != 4:  # a target without an update must not end the pages
            heard(mmsi, now)
    within, after, pages = live_reload.span(now, TTL), None, []
    while True:
        page = live_reload.read(LiveKind.VESSEL, within, after, size=2)
        pages.append([update.key for update in page.updates])
        after = page.after
        if after is None:
            break
    assert pages == [["1", "2"], ["3"], ["5", "6"], ["7"]]


@pytest.mark.django_db(transaction=True, databases=["default", "direct"])
def test_only_the_days_of_the_span_are_looked_into():
    noon = timezone.now().replace(hour=12)
    partitions.make_ahead(noon.date())
    within = live_reload.span(noon, TTL)
    sql, floor, _ = live_reload._SOURCES[LiveKind.VESSEL]
    given = {"seen": within.since, **within._asdict(), "after": floor, "size": 10}
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN {sql}", given)
        plan = "\n".join(line for (line,) in cursor.fetchall())
    assert f"tracking_vesselposition_{noon:%Y%m%d}" in plan
    others = {f"tracking_vesselposition_{day:%Y%m%d}" for day in partitions.days_ahead(noon.date())}
    others -= {f"tracking_vesselposition_{noon:%Y%m%d}"}
    assert others and not [name for name in others if name in plan]
    assert "tracking_vesselposition_default" not in plan
