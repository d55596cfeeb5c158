"""Events that a batch shows, on a real PostgreSQL and a real RedisJSON: each is kept once, whatever comes again."""

import pytest
from django.core.exceptions import ValidationError
from redis import Redis

from tests.support.messages import position
from tests.tracking.events.world import INSIDE, OUTSIDE, SHIP, SQUARE, fence, flies, hear, kinds, sails, watch_list
from tracking.events.models.event import Event
from tracking.events.models.rules import Geofence, check_polygon

pytestmark = [
    pytest.mark.django_db(transaction=True, databases=["default", "direct"]),
    pytest.mark.usefixtures("live_redis"),
]

SLOW = {"lat": 52.0, "lon": 4.0995}  # inside, near the border


def test_a_ship_that_enters_a_geofence_is_one_event_with_its_place_and_feed():
    made = fence()
    sails([(300, {"lat": 52.0, "lon": 4.105}), (200, SLOW), (100, SLOW), (0, SLOW)])
    event = Event.objects.get()
    assert (event.kind, event.subject, event.identity, event.geofence) == ("entered", "vessel", str(SHIP), made)
    assert (event.latitude, event.longitude) == pytest.approx((52.0, 4.0995), abs=1e-3)
    assert (event.source, event.values["geofence"], event.until) == ("test", "Maasmond", None)


def test_it_is_over_when_the_ship_was_outside_for_the_quiet_period_and_leaving_is_told_where_it_is_asked_for():
    fence(tells_leaving=True)
    near = {"lat": 52.0, "lon": 4.102}
    sails([(400, SLOW), (350, near), (300, SLOW), (250, near)])
    assert kinds() == [("entered", False)], "at the border it goes on"
    sails([(100, {"lat": 52.0, "lon": 4.105})])
    assert kinds() == [("entered", True), ("left", True)]
    entered = Event.objects.get(kind="entered")
    assert (entered.until - entered.since).total_seconds() == pytest.approx(100, abs=2)


def test_who_comes_back_within_the_cooldown_goes_on_with_the_old_event():
    fence()
    far = {"lat": 52.0, "lon": 4.105}
    sails([(600, SLOW), (550, far), (400, far)])
    assert kinds() == [("entered", True)]
    sails([(300, SLOW)])
    assert kinds() == [("entered", False)]


def test_a_ship_that_stays_is_told_of_after_the_minutes_of_the_fence():
    fence(dwell_minutes=5, tells_entering=False)
    sails([(500, SLOW), (300, SLOW)])
    assert kinds() == []
    sails([(100, SLOW)])
    assert kinds() == [("dwells", False)]


def test_a_ship_over_the_limit_is_told_of_with_both_speeds():
    fence(limit_knots=10, tells_entering=False)
    sails([(60, SLOW)], speed=9.9)
    sails([(50, SLOW)], speed=12.0)
    event = Event.objects.get()
    assert (event.kind, event.values["speed"], event.values["limit"]) == ("speed", 12.0, 10)


def test_a_fence_for_ships_does_not_see_aircraft_and_one_that_is_off_sees_nobody():
    fence("ships only")
    fence("off", enabled=False, whose="both")
    flies("484175", None)
    sails([(0, OUTSIDE)])
    assert kinds() == []


@pytest.mark.parametrize("squawk", ["7500", "7600", "7700"])
def test_an_emergency_squawk_is_told_of_once_and_is_over_when_another_was_set_for_five_minutes(squawk: str):
    for before in (800, 700, 600):
        flies("484175", squawk, before)
    assert Event.objects.get().until is None
    assert Event.objects.get().values["callsign"] == "KLM1023"
    flies("484175", "1000", 400)
    assert Event.objects.get().until is None
    flies("484175", "1000", 100)
    assert kinds() == [("emergency", True)]
    assert Event.objects.get().reference == squawk


def test_an_ordinary_squawk_is_no_event():
    flies("484175", "1000")
    assert kinds() == []


@pytest.mark.parametrize(
    ("mmsi", "device"), [(970_123_456, "SART"), (972_123_456, "man overboard"), (974_123_456, "EPIRB")]
)
def test_a_distress_transmitter_is_told_of_and_a_test_of_one_says_so(mmsi: int, device: str):
    hear([position(mmsi=mmsi, status=14)], 60)
    hear([position(mmsi=mmsi, status=15)])
    found = {event.reference: event.values for event in Event.objects.all()}
    assert found == {"": {"device": device, "test": False}, "test": {"device": device, "test": True}}


def test_a_ship_with_the_status_of_a_sart_is_told_of():
    hear([position(status=14)])
    assert Event.objects.get().values["device"] == "ship"


def test_a_sighting_of_a_watched_ship_names_its_list_and_others_are_not_told_of():
    made = watch_list(str(SHIP))
    hear([position(), position(mmsi=211000001)])
    hear([position()])
    event = Event.objects.get()
    assert (event.kind, event.identity, event.watch_list) == ("sighted", str(SHIP), made)


def test_what_the_live_redis_loses_costs_no_second_event(live_redis: Redis):
    fence()
    watch_list(str(SHIP))
    sails([(200, SLOW)])
    before = list(Event.objects.order_by("id").values_list("id", "since", "kind"))
    live_redis.flushdb()
    sails([(100, SLOW), (0, SLOW)])
    assert list(Event.objects.order_by("id").values_list("id", "since", "kind")) == before


def test_a_position_that_live_state_hides_raises_no_event():
    fence()
    away = [(400 - 10 * n, {"lat": 54.0 + n * 0.0005, "lon": 6.0}) for n in range(5)]
    sails(away)
    sails([(340, SLOW)])  # a teleport
    assert kinds() == []


def test_a_report_that_comes_late_opens_nothing_again():
    fence()
    far = {"lat": 52.0, "lon": 4.105}
    sails([(600, SLOW), (550, far), (400, far)])
    assert kinds() == [("entered", True)]
    sails([(580, SLOW)])
    assert kinds() == [("entered", True)]


def test_without_postgresql_nothing_is_held_so_that_the_next_batch_finds_it(monkeypatch: pytest.MonkeyPatch):
    fence()

    def away(*given: object) -> None:
        raise OSError("away")

    with monkeypatch.context() as patch:
        patch.setattr("tracking.events.recording.record", away)
        sails([(100, SLOW)])
    assert kinds() == []
    sails([(50, SLOW)])
    assert kinds() == [("entered", False)]


@pytest.mark.parametrize(
    "wrong",
    [
        {"type": "Point", "coordinates": [1, 2]},
        {"type": "Polygon", "coordinates": [[[0, 0], [1, 1]]]},
        {"type": "Polygon", "coordinates": [[[0, 0], [1, 1], [1, 0], [0, 1], [0, 0]]]},
        {"type": "Polygon", "coordinates": [[[0, 0], [190, 1], [1, 0], [0, 0]]]},
        {"type": "Polygon", "coordinates": "no"},
        [1, 2],
        {"type": "Polygon", "coordinates": [[[i % 180, 0] for i in range(6000)]]},
    ],
)
def test_what_is_no_polygon_is_refused_with_a_reason(wrong: object):
    with pytest.raises(ValidationError):
        check_polygon(wrong)


def test_a_polygon_is_accepted():
    check_polygon(SQUARE)
    Geofence(name="x", area=SQUARE).full_clean()


def test_inside_is_inside(live_redis: Redis):
    fence()
    sails([(0, INSIDE)])
    assert kinds() == [("entered", False)]
