"""The health of feeds on a real Redis: what batches leave there, and what is read of it."""

import itertools
import threading

import msgspec
import pytest
import redis
from django_redis import get_redis_connection

from ingest import consumption
from ingest.acceptance.package import pack
from ingest.clocks import arrival_clock
from ingest.formats.ais.assembly import NmeaAssembly
from ingest.formats.common.contract import Setup
from ingest.health import keys as health_keys
from ingest.health import recorder as health
from ingest.health.reading import WatchedFeed, clocks, minutes, read
from ingest.health.recorder import Recorder
from ingest.health.standing import Standing, fold_baselines, tell
from ingest.health.state import FeedState
from ingest.pipeline import process
from ingest.reports import LineCounts
from ingest.stages.work import Counts, Fused
from resilience.queue.broker import LIVE
from tests.support.messages import NOON_MS, batch, position
from tests.support.patience import PATIENCE_SECONDS

MINUTE = 60_000
FEED = WatchedFeed("test", enabled=True, poll_seconds=None)


@pytest.fixture(autouse=True)
def store():
    client = get_redis_connection("queue")
    client.flushdb()
    yield client
    client.flushdb()


@pytest.fixture
def recorder() -> Recorder:
    return Recorder(wall=lambda: NOON_MS)


def live(raws, at=NOON_MS, **fields):
    """A live batch whose messages were received one second before it was accepted."""
    return batch(raws, at - 1000, 0, **{"recorded": False, "accepted_at": at} | fields)


def book(recorder, parcel):
    told = msgspec.structs.replace(parcel, recorded=True)  # noon is long ago, and live reports are not
    work = process(told, None, booked=())
    recorder.booked(parcel, work.fused, work.counts)
    recorder.flush()


def accept(recorder, parcel, skews=()):
    recorder.accepted(parcel, skews)
    recorder.flush()


class Source:
    """As much of a source as a standing sees."""

    def __init__(self, recorded=False, status=None):
        self.recorded, self.status, self.drops = recorded, status, 0

    def dropped(self):
        return self.drops


class Status:
    def __init__(self, state, last_error=""):
        self.state, self.last_error, self.last_success, self.next_poll = state, last_error, NOON_MS - 5000, NOON_MS + 9


def stand(now=NOON_MS, source=None):
    standing = Standing("test", now)
    standing.opened(source or Source())
    tell([standing], now)
    return standing


def test_a_batch_leaves_its_counts_in_its_minute(recorder):
    counts = LineCounts(9, 2, 5, {"checksum": 2}, {})
    parcel = live([position(1000 + number) for number in range(3)] + [position(lat=91, lon=181)], counts=counts)
    accept(recorder, parcel)
    book(recorder, parcel)

    [minute] = minutes("test", NOON_MS, 1)
    assert (minute.lines, minute.foreign, minute.messages, minute.malformed) == (9, 2, 4, {"checksum": 2})
    assert (minute.booked, minute.positions, minute.targets) == (4, 3, 3)
    assert minute.rejected == {"position_not_available": 1}
    assert minutes("test", NOON_MS + MINUTE, 1)[0].messages == 0


def test_minutes_add_up_over_batches_and_processes(recorder):
    other = Recorder(wall=lambda: NOON_MS)
    for one, mmsi in itertools.product((recorder, other), (1001, 1002)):
        book(one, live([position(mmsi)]))
        accept(one, live([position(mmsi)], NOON_MS - MINUTE))
    stand()
    recent = read([FEED], NOON_MS)["test"].recent
    assert (recent.positions, recent.messages, recent.targets) == (4, 4, 2)


def test_delays_are_from_the_event_to_the_acceptance(recorder):
    for delay in [1000] * 90 + [30_000] * 10:
        book(recorder, batch([position()], NOON_MS - delay, recorded=False, accepted_at=NOON_MS))
    found = read([FEED], NOON_MS)["test"]
    assert found.delay_median_ms == pytest.approx(1000, rel=0.06)
    assert found.delay_95_ms == pytest.approx(30_000, rel=0.06)


def test_a_sample_stands_for_its_neighbours(recorder):
    book(recorder, live([position(1000 + number) for number in range(1000)]))
    assert sum(minutes("test", NOON_MS, 1)[0].delay.values()) == 1000


def test_ships_seconds_show_a_small_skew_and_the_feeds_own_times_any(recorder):
    # Received at 11:59:59, at second 55 by the ships' clocks.
    book(recorder, live([position(1000 + number, second=55) for number in range(30)]))
    found = read([FEED], NOON_MS)["test"]
    assert (found.skew_by, found.skew_ms) == ("ships", pytest.approx(4000, rel=0.06))
    accept(recorder, live([position()]), [90_000] * 5)
    stand(NOON_MS)
    found = read([FEED], NOON_MS)["test"]
    assert (found.skew_by, found.skew_ms) == ("feed", pytest.approx(90_000, rel=0.06))
    assert found.verdict.state is FeedState.STALE_CLOCK


@pytest.mark.parametrize("fields", [{"recorded": True}, {"accepted_at": NOON_MS - 3 * 3_600_000}])
def test_recordings_and_what_is_too_old_for_anybody_to_look_at_do_not_count(recorder, store, fields):
    parcel = live([position()], **fields)
    accept(recorder, parcel)
    recorder.booked(parcel, Fused(), Counts(positions=1))
    recorder.flush()
    assert store.keys("*") == []


def test_every_key_ends_and_all_lie_in_one_slot(recorder, store):
    accept(recorder, live([position()]))
    book(recorder, live([position()]))
    standing = stand()
    fold_baselines([standing], NOON_MS)
    found = store.keys("*")
    assert len(found) == 7
    assert all(b":{health}:" in key for key in found)
    assert all(0 < store.ttl(key) <= health_keys.BASELINE_SECONDS for key in found)
    assert store.ttl(health_keys.minute("test", NOON_MS // MINUTE)) <= 7200


def test_a_redis_that_is_away_fails_no_batch_and_is_said_once(recorder, monkeypatch, caplog):
    def away(alias):
        raise redis.ConnectionError("refused")

    caplog.set_level("INFO")
    with monkeypatch.context() as patch:
        patch.setattr(health, "get_redis_connection", away)
        for _ in range(3):
            accept(recorder, live([position()]))
    accept(recorder, live([position()]))
    assert [record.getMessage() for record in caplog.records] == [
        "the health of feeds is not recorded for now: refused",
        "the health of feeds is recorded again",
    ]
    assert minutes("test", NOON_MS, 1)[0].messages == 1, "what was given up came back"


def test_what_is_recorded_is_sent_by_itself_from_another_thread(recorder, monkeypatch):
    sent, threads = threading.Event(), []

    def send(pending):
        threads.append((threading.get_ident(), len(pending)))
        sent.set()

    monkeypatch.setattr(health, "FLUSH_SECONDS", 0.01)
    monkeypatch.setattr(health, "_send", send)
    recorder.accepted(live([position()]))
    assert sent.wait(PATIENCE_SECONDS)
    [(thread, minutes_sent)] = threads
    assert thread != threading.get_ident() and minutes_sent == 1


@pytest.mark.django_db(transaction=True, databases=["default", "direct"])
def test_a_worker_records_a_batch_once_however_often_it_is_delivered(monkeypatch):
    monkeypatch.setattr(consumption, "recorder", Recorder())
    now = health.recorder._wall()
    packed = pack(batch([position()], now, recorded=False, accepted_at=now))
    consumption.consume(packed, LIVE)
    consumption.consume(packed, LIVE)
    consumption.recorder.flush()
    assert sum(minute.positions for minute in minutes("test", now + 1000, 2)) == 1


def test_a_feed_that_runs_and_hears_something_is_ok(recorder):
    stand(NOON_MS - 1000)
    accept(recorder, live([position()]))
    found = read([FEED], NOON_MS)["test"]
    assert found.verdict.state is FeedState.OK
    assert found.facts.last_message == NOON_MS
    assert read([WatchedFeed("test", False, None)], NOON_MS)["test"].verdict.state is FeedState.OFF


def test_a_feed_of_which_nothing_was_ever_heard_is_off_and_has_no_figures():
    found = read([FEED], NOON_MS)["test"]
    assert found.verdict.state is FeedState.OFF
    assert (found.rate, found.delay_median_ms, found.skew_ms, found.rejected_share) == (None, None, None, None)


def test_a_failing_source_says_why_and_is_the_open_breaker_of_a_polled_feed():
    source = Source(status=Status("failing", "answered 503 Service Unavailable"))
    stand(NOON_MS, source)
    found = read([WatchedFeed("test", True, 5.0)], NOON_MS)["test"]
    assert (found.verdict.state, found.verdict.reason) == (FeedState.FAILING, "answered 503 Service Unavailable")
    assert (found.breaker.open, found.breaker.next_poll) == (True, NOON_MS + 9)
    source.status = Status("ok")
    standing = stand(NOON_MS, source)
    assert standing.facts(NOON_MS)["error"] == ""
    assert read([WatchedFeed("test", True, 5.0)], NOON_MS)["test"].breaker.open is False


def test_a_failure_keeps_its_beginning_through_attempts_that_fail_again():
    standing = stand(NOON_MS)
    standing.failed("no such file")
    assert standing.facts(NOON_MS + 5000)["since"] == NOON_MS + 5000
    standing.opened(Source())
    standing.failed("no such file")
    assert standing.facts(NOON_MS + 9000)["since"] == NOON_MS + 5000
    standing.opened(Source())
    assert standing.facts(NOON_MS + 9500) | {"since": NOON_MS + 9500, "error": ""} == standing.facts(NOON_MS + 9500)


def test_a_recording_may_end_and_a_live_source_must_not():
    standing = stand(source=Source(recorded=True))
    standing.ended()
    assert standing.facts(NOON_MS)["error"] == ""
    standing = stand()
    standing.ended()
    assert standing.facts(NOON_MS)["error"] == "the source ended"


def test_dropped_datagrams_are_counted_once():
    source = Source()
    standing = stand(source=source)
    for source.drops in (3, 3, 10):
        tell([standing], NOON_MS)
    assert minutes("test", NOON_MS, 1)[0].dropped == 10


def run_an_hour(hour, messages, minutes_told=60):
    """What an hour leaves that a feed ran for `minutes_told` minutes with `messages` each."""
    client = get_redis_connection("queue")
    for number in range(hour * 60, hour * 60 + minutes_told):
        client.hset(health_keys.minute("test", number), mapping={"told": 1, "messages": messages})


def usual(hour):
    """The baseline as it is seen in that hour."""
    return read([FEED], hour * 3_600_000)["test"].facts.baseline


def test_an_hour_that_is_over_becomes_the_baseline_of_its_hour_of_the_week_once():
    hour = NOON_MS // 3_600_000
    run_an_hour(hour, 100)
    for number in range(2):
        fold_baselines([Standing(f"test{number}"[:4], 0)], (hour + 1) * 3_600_000)
    assert usual(hour) == usual(hour + 168) == 100
    assert usual(hour + 24) == 100, "until a week has passed, the same hour of other days"
    assert usual(hour + 1) is None

    run_an_hour(hour + 168, 200)
    for _ in range(2):
        fold_baselines([Standing("test", 0)], (hour + 169) * 3_600_000)
    assert usual(hour) == pytest.approx(130)


@pytest.mark.parametrize(("messages", "told"), [(0, 60), (100, 29)])
def test_an_hour_of_silence_or_hardly_run_changes_no_baseline(messages, told):
    hour = NOON_MS // 3_600_000
    run_an_hour(hour, messages, told)
    fold_baselines([Standing("test", 0)], (hour + 1) * 3_600_000)
    assert usual(hour) is None


def test_an_hour_that_could_not_be_folded_is_folded_later(monkeypatch):
    hour, standing = NOON_MS // 3_600_000, Standing("test", 0)
    run_an_hour(hour, 100)

    def away(alias):
        raise redis.ConnectionError("refused")

    with monkeypatch.context() as patch:
        patch.setattr("ingest.health.standing.get_redis_connection", away)
        with pytest.raises(redis.ConnectionError):
            fold_baselines([standing], (hour + 1) * 3_600_000)
    fold_baselines([standing], (hour + 1) * 3_600_000)
    assert usual(hour) == 100


def test_totals_only_grow_from_minute_to_minute_and_from_process_to_process(recorder, store):
    counts = LineCounts(9, 2, 5, {"checksum": 2, "group_incomplete": 1}, {})
    for one, at in ((recorder, NOON_MS - MINUTE), (Recorder(wall=lambda: NOON_MS), NOON_MS)):
        parcel = live([position(), position(lat=91, lon=181)], at, counts=counts)
        accept(one, parcel)
        book(one, parcel)
    found = {name.decode(): int(count) for name, count in store.hgetall(health_keys.totals("test")).items()}
    assert found == {"lines": 18, "messages": 4, "malformed": 6, "rejected": 2, "identities": 2}
    store.expire(health_keys.totals("test"), 10)
    accept(recorder, live([position()]))
    assert store.ttl(health_keys.totals("test")) > 86_400  # of a feed that goes on they never begin anew


def test_counts_of_a_newer_version_are_passed_over(recorder, store):
    accept(recorder, live([position()]))
    store.hset(health_keys.minute("test", NOON_MS // MINUTE), mapping={"novelty": 1, "moods.glad": 2})
    assert minutes("test", NOON_MS, 1)[0].messages == 1


def test_the_rate_is_of_whole_minutes(recorder):
    for ago, messages in ((0, 1), (1, 30), (2, 10), (9, 500)):
        at = NOON_MS - ago * MINUTE
        accept(recorder, live([position()] * messages, at))
    assert read([FEED], NOON_MS)["test"].rate == 20
    stand(NOON_MS - 3 * MINUTE)
    assert read([FEED], NOON_MS)["test"].rate == pytest.approx(40 / 3), "a minute that was run in silence counts"


def test_how_the_clocks_of_stations_are_used_is_told_with_the_feed():
    assembly = NmeaAssembly(Setup(arrival_clock, mend_clocks=True))
    for n in range(20):
        heard = NOON_MS + n * 1000
        line = position(mmsi=244660000 + n % 7, second=heard // 1000 % 60)
        for station, ahead in ((b"pier", 0), (b"mast", 70_000)):
            list(assembly.feed(b"\\s:%b,c:%d*00\\%b\n" % (station, heard + ahead, line), heard + 200))
    standing = Standing("test", NOON_MS)
    standing.opened(Source(), assembly.clocks)
    tell([standing], NOON_MS)
    mast, pier = clocks(["test"])["test"]
    assert (mast.station, mast.use, pier.station, pier.use) == ("mast", "own", "pier", "own")
    assert (abs(mast.offset_ms - 70_000) < 1000, pier.offset_ms, mast.reports) == (True, 0, 20)
    standing.opened(Source())
    tell([standing], NOON_MS)
    assert clocks(["another"]) == {"another": []}
