"""What the desk says of feeds, from a real Redis: numbers over an hour, a day and a week, and whether all is well."""

import pytest
from django_redis import get_redis_connection

from ingest.health import history, keys
from ingest.health.recorder import Recorder
from ingest.health.shown import panels, sections
from ingest.models import Feed
from ingest.pipeline import process
from ingest.reports import LineCounts
from tests.support.messages import NOON_MS, batch, position

pytestmark = [pytest.mark.django_db]

MINUTE = keys.MINUTE_MS
SECOND = 1000


@pytest.fixture(autouse=True)
def store(monkeypatch):
    client = get_redis_connection("queue")
    client.flushdb()
    monkeypatch.setattr(panels, "_now_ms", lambda: NOON_MS)
    monkeypatch.setattr(sections, "_known", sections._FeedLabels())
    yield client
    client.flushdb()


def arrive(at: int, messages: int = 1, took: int = 700, label: str = "test") -> None:
    """A batch accepted at `at`, whose live state was written `took` ms after its receipt."""
    received = at - 500
    raws = [position(1000 + number) for number in range(messages)]
    parcel = batch(
        raws, received, 0, recorded=False, live=True, accepted_at=at, source=label, counts=LineCounts(messages)
    )
    recorder = Recorder(wall=lambda: received + took)
    work = process(parcel, None, booked=())
    recorder.accepted(parcel)
    recorder.booked(parcel, work.fused, work.counts)
    recorder.flush()


def run(store, label: str) -> None:
    """Its collector has run for 20 minutes."""
    store.hset(keys.facts(label), mapping={"told_at": NOON_MS, "since": NOON_MS - 20 * MINUTE})


def test_the_last_hour_is_told_by_minutes_and_minutes_that_are_over_are_read_once(store):
    arrive(NOON_MS - 30 * MINUTE, 2)
    arrive(NOON_MS, 3)
    hour = history.hour(["test"], NOON_MS)["test"]
    assert [past.messages for past in hour] == [0] * 29 + [2] + [0] * 29 + [3]
    store.delete(*store.keys(f"{keys.minute('test', 0)[:-1]}*"))
    hour = history.hour(["test"], NOON_MS)["test"]
    assert [past.messages for past in hour] == [0] * 29 + [2] + [0] * 30


def test_a_day_is_told_by_ten_minutes_and_a_week_by_hours():
    for ago in (0, 65, 23 * 60, 6 * 24 * 60):
        at = NOON_MS - ago * MINUTE
        arrive(at, 2)
    day, week = (history.series(["test"], NOON_MS, span) for span in ("24h", "7d"))
    assert (day.step_minutes, week.step_minutes) == (10, 60)
    found = {len(each.messages["test"]) - 1 - at for each in [day] for at, n in enumerate(each.messages["test"]) if n}
    assert (found, sum(day.messages["test"])) == ({0, 7, 138}, 6)
    assert (sum(week.messages["test"]), len(week.messages["test"])) == (8, 168)
    assert week.messages["test"][-1] == 2


def test_receipt_to_map_is_measured_by_messages_and_names_the_slowest_feed():
    Feed.objects.create(name="Pier", url="push://", source="test")
    Feed.objects.create(name="Far", url="push://", source="far")
    arrive(NOON_MS - MINUTE, 9, took=700)
    arrive(NOON_MS - MINUTE, 1, took=9_000, label="far")
    through = panels.feeds("1h")["messages"]["through"]
    assert through["median_seconds"] == pytest.approx(0.7, rel=0.06)
    assert through["slowest"]["name"] == "Far"
    assert through["slowest"]["p95_seconds"] == pytest.approx(9.0, rel=0.06)
    assert [value is not None for value in through["hour"]] == [False] * 58 + [True, False]


def test_a_time_of_receipt_that_cannot_be_is_not_counted_as_waiting():
    parcel = batch([position()], NOON_MS - 3600 * SECOND, 0, recorded=False, accepted_at=NOON_MS)
    assert Recorder(wall=lambda: NOON_MS + 200)._through(parcel) == 10_200


def test_feeds_are_shown_the_worst_first_and_a_silent_one_is_a_trouble_with_the_way_to_its_page(store):
    roof, pier = (Feed.objects.create(name=name, url="tcp://host:1", source=name.lower()) for name in ("Aft", "Pier"))
    arrive(NOON_MS - SECOND, label=roof.source)
    arrive(NOON_MS - 10 * MINUTE, label=pier.source)
    run(store, roof.source)
    run(store, pier.source)
    found = panels.feeds("1h")
    assert [(feed["name"], feed["state"]) for feed in found["feeds"]] == [("Pier", "silent"), ("Aft", "ok")]
    [trouble] = found["troubles"]
    assert trouble["text"].startswith("Pier is silent (no message for 10 min")
    assert trouble["url"].endswith(f"/{pier.pk}/change/")
    assert panels._count_ill() == 1


def test_a_feed_that_somebody_runs_by_hand_is_shown_without_a_page():
    arrive(NOON_MS - SECOND, label="by-hand")
    [feed] = panels.feeds("1h")["feeds"]
    assert (feed["name"], feed["url"], feed["state"]) == ("by-hand", "", "ok")


def test_the_secrets_of_an_address_are_not_shown():
    Feed.objects.create(name="Pier", url="https://user:hunter2@pier/x?token=hunter2", source="pier")
    assert "hunter2" not in str(panels.feeds("1h"))
