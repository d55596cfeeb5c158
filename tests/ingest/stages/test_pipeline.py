"""A batch through all stages, on a real PostgreSQL and a real RedisJSON."""

import random
import time
import uuid

import pytest
from django.db import DatabaseError, connection
from django.db.models import Q
from django.test.utils import CaptureQueriesContext

from ingest import pipeline, replay
from ingest.formats.ais import decoder as ais
from ingest.formats.registry import FORMATS
from ingest.ledger.accounts import account, violations
from ingest.models import Batch
from ingest.stages.decode import NothingPasses
from ingest.stages.storing import store
from resilience.breaker.registry import CircuitOpen, in_process_breaker
from resilience.models import UNGROUPED, DeadLetter
from tests.support.messages import NOON, NOON_MS, batch, position, sentences, static
from tracking.live.state import LiveKind, LiveState
from tracking.models import Station, Vessel, VesselPosition
from tracking.positions import identities
from tracking.positions.upsert import Upsert

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "direct"])


def rows():
    return sorted(VesselPosition.objects.values_list("vessel_id", "timestamp", "latitude", "speed", "source"))


def test_a_position_report_becomes_a_row_a_vessel_and_a_line_of_the_ledger():
    booking = pipeline.process(batch([position()]))

    row = VesselPosition.objects.get()
    assert (row.vessel_id, row.timestamp) == (244660123, NOON)
    assert (row.latitude, row.longitude) == pytest.approx((52.0, 4.0), abs=1e-6)
    assert (row.speed, row.course, row.heading, row.status) == (12.3, 45.6, 47, 0)
    assert (row.source, row.score, row.received_at) == ("test", 80, NOON)
    vessel = Vessel.objects.get()
    assert (vessel.mmsi, vessel.kind, vessel.flag, vessel.first_seen) == (244660123, "ship", "NL", NOON)
    assert (booking.counts.positions, booking.counts.stored, Batch.objects.get().stored) == (1, 1, 1)


def test_sightings_that_say_nothing_new_are_counted_and_leave_the_row_as_it_is():
    first = pipeline.process(batch([position(), static()])).fused
    Vessel.objects.update(name="WRITTEN MEANWHILE")
    second = pipeline.process(batch([position(), static()], received_at=NOON_MS + 1000)).fused
    assert [(len(fused.vessels), fused.unchanged) for fused in (first, second)] == [(1, 0), (1, 1)]
    assert Vessel.objects.get().name == "WRITTEN MEANWHILE"


def test_static_data_and_stations_are_kept():
    base = sentences(type=4, mmsi=2442000, lat=51.9, lon=4.4)[0]
    aid = sentences(type=21, mmsi=992442001, aid_type=9, name="MAAS CENTER", lat=52.01, lon=3.88)[0]
    counts = pipeline.process(batch([static(), base, aid])).counts

    vessel = Vessel.objects.get()
    assert (vessel.name, vessel.callsign, vessel.ship_type) == ("NOORDZEE", "PABC", 70)
    assert (vessel.destination, vessel.draught) == ("ROTTERDAM", 7.5)
    assert set(Station.objects.values_list("mmsi", "kind", "name")) == {
        (2442000, "base", ""),
        (992442001, "aid", "MAAS CENTER"),
    }
    assert (counts.static, counts.stations, counts.positions) == (1, 2, 0)


def test_what_is_refused_is_counted_under_its_reason_and_stops_nobody():
    raws = [position(mmsi=0), position(lat=91, lon=181), position(lat=-90.5), b"!AIVDM,1,1,,A,13,0*00", position()]
    counts = pipeline.process(batch(raws)).counts

    assert counts.rejected == {
        "mmsi_zero": 1,
        "position_not_available": 1,
        "latitude_out_of_range": 1,
        "undecodable": 1,
    }
    assert counts.stored == 1


def test_the_same_batch_again_changes_nothing_and_is_not_booked_twice():
    parcel = batch([position(), position(mmsi=211000001)])
    pipeline.process(parcel)
    before = rows()
    booking = pipeline.process(parcel)

    assert booking.repeated
    assert rows() == before
    assert account(Q()).messages == 2


def test_the_same_messages_in_another_batch_are_duplicates():
    pipeline.process(batch([position()]))
    counts = pipeline.process(batch([position()])).counts

    assert (counts.stored, counts.merged, counts.duplicate) == (0, 0, 1)


def test_reports_of_one_moment_are_folded_and_each_is_counted():
    bare = position(speed=102.3, heading=511)
    counts = pipeline.process(batch([bare, position(), position()], step=0)).counts

    assert (counts.positions, counts.stored, counts.merged, counts.duplicate) == (3, 1, 1, 1)
    assert VesselPosition.objects.get().heading == 47


def test_the_feed_with_the_greater_trust_wins_whatever_comes_first():
    weak = batch([position(lat=20.0001)], source="weak", trust=40)
    strong = batch([position(lat=20.0)], source="strong", trust=90)
    outcomes = set()
    for order in ([weak, strong], [strong, weak]):
        VesselPosition.objects.all().delete()
        Batch.objects.all().delete()
        for parcel in order:
            pipeline.process(parcel)
        outcomes.add(tuple(VesselPosition.objects.values_list("source", "score")))
    assert outcomes == {(("strong", 90),)}


@pytest.mark.parametrize("size", [1, 7, 40])
def test_any_cut_into_batches_in_any_order_leaves_the_same_rows(size):
    chance = random.Random(size)
    raws = [position(mmsi=211000000 + chance.randrange(5), lat=chance.uniform(50, 60)) for _ in range(40)]
    whole = batch(raws, step=0)
    pipeline.process(whole)
    expected = rows()
    VesselPosition.objects.all().delete()

    cut = [whole.messages[start : start + size] for start in range(0, len(raws), size)]
    chance.shuffle(cut)
    for messages in cut:
        pipeline.process(batch([], messages=messages))
    assert rows() == expected


def test_a_poison_row_becomes_a_dead_letter_and_its_neighbours_are_stored(monkeypatch):
    send = Upsert.send
    upserts = []  # they bypass Django's cursor, so its captured queries lack them
    monkeypatch.setattr(Upsert, "send", lambda *args: (upserts.append(1), send(*args))[1])
    monkeypatch.setattr("ingest.formats.ais.decoder.check_position", lambda latitude, longitude: None)
    raws = [position(mmsi=211000000 + number) for number in range(999)]
    raws.insert(500, position(mmsi=244660123, lat=-91.5))
    parcel = batch(raws)
    with CaptureQueriesContext(connection) as captured:
        counts = pipeline.process(parcel).counts

    assert len(captured) + len(upserts) <= 70
    assert (counts.positions, counts.stored, counts.dead) == (1000, 999, 1)
    letter = DeadLetter.objects.get()
    assert (letter.batch_id, letter.ordinal, bytes(letter.raw)) == (parcel.id, 500, raws[500])
    assert (letter.sqlstate, letter.stage, letter.status) == ("23514", "store", "pending")
    assert (letter.reason, len(letter.fingerprint)) == ("check_violation", 16)
    assert letter.fingerprint != UNGROUPED
    assert "CheckViolation" in letter.traceback
    assert violations(account(Q())) == []


def test_a_report_folded_into_a_poison_row_is_dead_too(monkeypatch):
    monkeypatch.setattr("ingest.formats.ais.decoder.check_position", lambda latitude, longitude: None)
    counts = pipeline.process(batch([position(lat=-91.5), position(lat=-91.5)], step=0)).counts

    assert (counts.positions, counts.dead, DeadLetter.objects.count()) == (2, 2, 2)
    assert violations(account(Q())) == []


def test_poison_never_stops_its_neighbours_whatever_its_share(monkeypatch):
    monkeypatch.setattr("ingest.formats.ais.decoder.check_position", lambda latitude, longitude: None)
    bad = [position(mmsi=211000000 + number, lat=-91.5) for number in range(90)]
    counts = pipeline.process(batch([*bad, position(mmsi=211000500)])).counts
    assert (counts.stored, counts.dead, DeadLetter.objects.count()) == (1, 90, 90)
    assert violations(account(Q())) == []


def test_a_batch_of_which_nothing_passes_is_kept(monkeypatch):
    monkeypatch.setattr("ingest.formats.ais.decoder.check_position", lambda latitude, longitude: None)
    with pytest.raises(NothingPasses):
        pipeline.process(batch([position(mmsi=211000000 + number, lat=-91.5) for number in range(30)]))

    assert (Batch.objects.count(), DeadLetter.objects.count(), VesselPosition.objects.count()) == (0, 0, 0)


def test_a_bug_never_makes_dead_letters(monkeypatch):
    monkeypatch.setattr(identities, "_STATION_SQL", identities._STATION_SQL.replace("tracking_station", "nonsense"))
    with pytest.raises(DatabaseError):
        pipeline.process(batch([position(), sentences(type=4, mmsi=2442000, lat=51.9, lon=4.4)[0]]))
    assert (Batch.objects.count(), DeadLetter.objects.count(), VesselPosition.objects.count()) == (0, 0, 0)


def test_an_open_breaker_takes_no_batch():
    breaker = in_process_breaker(f"test-{uuid.uuid4()}")
    breaker.trip("a test", "to see it refuse")
    with pytest.raises(CircuitOpen):
        pipeline.process(batch([position()]), lambda name: breaker)
    assert Batch.objects.count() == 0


def test_a_live_batch_is_seen_live_and_a_recording_is_not():
    live = LiveState(LiveKind.VESSEL)
    live.clear()
    now = round(time.time() * 1000)
    pipeline.process(batch([position(mmsi=211000001)], received_at=now), in_process_breaker)
    parcel = batch([position(), static()], received_at=now - 1000, live=True, recorded=False)
    pipeline.process(parcel, in_process_breaker)

    assert live.get("211000001") is None
    document = live.get("244660123")
    assert document is not None
    assert (document["name"], document["speed"], document["heading"]) == ("NOORDZEE", 12.3, 47)
    live.clear()


def test_live_reports_of_the_future_and_of_yesterday_are_refused():
    now = round(time.time() * 1000)
    parcel = batch([position(), position(), position()], recorded=False)
    for message, age_ms in zip(parcel.messages, (-600_000, 0, 25 * 3_600_000), strict=True):
        message.received_at = now - age_ms
    counts = pipeline.process(parcel).counts

    assert (counts.stored, counts.rejected) == (1, {"time_in_future": 1, "time_too_old": 1})


def test_a_recording_of_any_day_gets_its_partition():
    pipeline.process(batch([position()], received_at=NOON_MS - 10 * 365 * 86_400_000))
    query = "SELECT tableoid::regclass::text, id FROM tracking_vesselposition"
    assert [row.tableoid for row in VesselPosition.objects.raw(query)] == ["tracking_vesselposition_20160104"]


def test_an_identity_that_postgresql_refuses_costs_itself_alone(caplog):
    named = sentences(type=5, mmsi=211000007, shipname="NORDIC", callsign="ABC", imo=9074729, destination="KIEL")
    parcel = batch([position(mmsi=211000555), b"\n".join(named)])

    def spoil(work):
        work.fused.vessels[211000007].static["callsign"] = "LONGER THAN SEVEN"

    work = pipeline.process(parcel, booked=(spoil, store.store))
    assert not work.repeated
    assert (work.counts.stored, Batch.objects.get().messages) == (1, 2)
    assert list(Vessel.objects.values_list("mmsi", flat=True)) == [211000555]
    assert "an identity is left as it was" in caplog.text


def test_a_message_that_a_decoder_was_not_made_for_costs_itself_alone(monkeypatch):
    def surprised(message, context):
        if message.raw == b"odd":
            raise ZeroDivisionError
        return ais.decode(message, context)

    spec = FORMATS["nmea"]._replace(decode=surprised, decode_all=None)
    monkeypatch.setitem(FORMATS, "nmea", spec)
    counts = pipeline.process(batch([position(), b"odd", position(mmsi=211000001)])).counts
    letter = DeadLetter.objects.get()
    assert (counts.stored, counts.dead, violations(account(Q()))) == (2, 1, [])
    assert (letter.stage, letter.reason, bytes(letter.raw), letter.ordinal) == ("decode", "unexpected", b"odd", 1)
    with pytest.raises(NothingPasses):
        pipeline.process(batch([b"odd"] * 30))


def test_a_message_that_the_decoder_failed_on_is_booked_as_what_it_is_once_the_decoder_is_mended(monkeypatch):
    def fails(message, context):
        raise ZeroDivisionError

    with monkeypatch.context() as broken:
        broken.setitem(FORMATS, "nmea", FORMATS["nmea"]._replace(decode=fails, decode_all=None))
        pipeline.process(batch([position(), static()]))
    for letter in DeadLetter.objects.order_by("ordinal"):
        replay.HANDLERS[letter.kind].replay(letter)
    booked = account(Q())
    assert (booked.stored, booked.static, booked.positions, booked.dead, violations(booked)) == (1, 1, 1, 0, [])


def test_what_this_host_lacks_blames_no_message(monkeypatch):
    def starved(message, context):
        raise MemoryError

    monkeypatch.setitem(FORMATS, "nmea", FORMATS["nmea"]._replace(decode=starved, decode_all=None))
    with pytest.raises(MemoryError):
        pipeline.process(batch([position()]))
    assert (Batch.objects.count(), DeadLetter.objects.count()) == (0, 0)


@pytest.mark.parametrize("days", [-40, 0, 40])
def test_the_clock_of_the_worker_refuses_no_message(monkeypatch, days):
    """Neither one that is wrong nor one that comes to a batch a day late: accepted in time is in time."""
    parcel = batch([position()], received_at=round(time.time() * 1000), recorded=False)
    real = time.time
    monkeypatch.setattr("time.time", lambda: real() + days * 86_400)
    counts = pipeline.process(parcel).counts
    assert (counts.stored, dict(counts.rejected)) == (1, {})
