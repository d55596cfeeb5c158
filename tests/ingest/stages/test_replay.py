"""What ingest says of its dead letters, and how the ledger follows them: dead, discarded by time, stored after all."""

from datetime import timedelta

import pytest
from django.conf import settings
from django.db.models import Q
from django.utils import timezone

from ingest import consumption, pipeline, replay
from ingest.acceptance.package import pack
from ingest.formats.registry import FORMATS
from ingest.ledger.accounts import account, violations
from ingest.models import Batch
from ingest.reports import MessageBatch
from ingest.stages.storing import store
from resilience.letters import dead_letters, editing, expiry
from resilience.letters.failures import fingerprint
from resilience.letters.handlers import Undecodable
from resilience.models import DeadLetter
from tests.support.letters import age, forget_breakers
from tests.support.messages import batch, position, static

OVERDUE = timedelta(days=settings.KEEP_DEAD_LETTERS_DAYS + 1)
stored = pytest.mark.django_db(transaction=True, databases=["default", "direct"])  # partitions have a connection too


@pytest.fixture(autouse=True)
def closed_breakers():
    """Breakers as nobody has used them, before and after."""
    forget_breakers()
    yield
    forget_breakers()


@pytest.fixture
def buried(monkeypatch) -> DeadLetter:
    """The dead letter of a position that the database refused; what was wrong is mended."""
    with monkeypatch.context() as broken:
        broken.setattr("ingest.formats.ais.decoder.check_position", lambda latitude, longitude: None)
        pipeline.process(batch([position(lat=-91.5), position()]))
    return DeadLetter.objects.get()


def buried_batch(parcel: MessageBatch) -> DeadLetter:
    """The dead letter of a batch that no worker survived."""
    letter = consumption._batch_letter(parcel, "live", "no verdict in 6 deliveries")
    Batch.objects.create(
        id=parcel.id,
        run=parcel.run,
        source=parcel.source,
        format=parcel.format,
        messages=len(parcel.messages),
        accepted_at=letter.received_at,
        booked_at=letter.received_at,
        positions=len(parcel.messages),
        dead=len(parcel.messages),
    )
    letter.save()
    return letter


@stored
def test_an_expired_message_is_discarded_in_the_ledger_until_a_person_retries_it(buried):
    age(buried, OVERDUE)
    assert str(expiry.expire()) == "1 expired, 0 deleted"
    booked = account(Q())
    assert (booked.dead, booked.discarded, violations(booked)) == (0, 1, [])

    buried.refresh_from_db()
    DeadLetter.objects.filter(pk=buried.pk).update(raw=position(mmsi=211000001))
    assert dead_letters.retry(buried.pk, "ada").detail == "stored"
    booked = account(Q())
    assert (booked.dead, booked.discarded, booked.stored, violations(booked)) == (0, 0, 2, [])


@stored
def test_an_expired_message_that_is_still_bad_stays_discarded(buried):
    age(buried, OVERDUE)
    expiry.expire()
    assert dead_letters.retry(buried.pk, "ada").detail == "latitude_out_of_range"
    booked = account(Q())
    assert (booked.dead, booked.discarded, violations(booked)) == (0, 1, [])


@stored
def test_an_expired_batch_is_processed_whole_when_a_person_retries_it():
    letter = buried_batch(batch([position(), static(), position(mmsi=0)]))
    age(letter, OVERDUE)
    expiry.expire()
    assert (account(Q()).discarded, violations(account(Q()))) == (3, [])
    assert dead_letters.retry(letter.pk, "ada").result == "resolved"
    booked = account(Q())
    assert (booked.stored, booked.static, booked.rejected, booked.discarded) == (1, 1, {"mmsi_zero": 1}, 0)
    assert violations(booked) == []


@stored
def test_a_mended_message_is_stored_and_the_received_one_kept(buried):
    received, mended = bytes(buried.raw), position(mmsi=211000001)
    assert editing.edit_and_retry(buried.pk, mended, "ada").detail == "stored"
    buried.refresh_from_db()
    assert (bytes(buried.raw), bytes(buried.edited)) == (received, mended)
    booked = account(Q())
    assert (booked.dead, booked.stored, violations(booked)) == (0, 2, [])


def letter_of(message: bytes, format_: str = "nmea") -> DeadLetter:
    """A letter of this message, not stored."""
    parcel = batch([message], format=format_)
    return store.dead_letter(parcel, 0, "store", ValueError("refused"), timezone.now())


def test_a_message_is_described_by_what_it_says():
    letter = letter_of(position(mmsi=211000001, lat=51.5))
    described = replay.HANDLERS[letter.kind].describe(letter)
    assert (described["format"], described["carries"], described["vessel_id"]) == ("nmea", "position", "211000001")
    assert described["latitude"].startswith("51.5")
    assert "None" not in described.values()


@pytest.mark.parametrize("message", [b"rubbish", b"", b"\xff\x00", b"!AIVDM,1,1,,A,,0*00", b"{", b"!" * 70_000])
@pytest.mark.parametrize("format_", FORMATS)
def test_whatever_a_person_writes_is_described_or_refused_with_a_code(message, format_):
    letter = letter_of(message, format_)
    try:
        described = replay.HANDLERS[letter.kind].describe(letter)
    except Undecodable as refused:
        assert refused.reason.replace("_", "").isalnum()
    else:
        assert described["carries"]


@pytest.mark.parametrize(
    ("format_", "raw", "added"),
    [
        ("sbs", b"MSG,3,1,1,400F99,1,,,,,,34000,,,45.7,-0.1,,,,,,0", b'{"values":{"ground_speed":["430",400]}}'),
        ("ais-csv", b"2025-01-01T00:00:00,366000001,1.5,2.5", b'{"layout":"Madef"}'),
        ("readsb-trace", b"[26.89,16.8,-88.0,32000]", b'{"icao":"ac671b"}'),
        ("avr", b"8d40621d58c382d690c8ac2863a7", b'{"icao":"40621d","latitude":52.2,"longitude":3.9}'),
    ],
)
def test_a_letter_holds_what_was_received_and_its_context_what_was_added(format_, raw, added):
    parcel = batch([raw], format=format_)
    parcel.messages[0].added = added
    letter = store.dead_letter(parcel, 0, "store", ValueError("refused"), timezone.now())
    assert (letter.raw, letter.context["added"].encode()) == (raw, added)
    assert replay.HANDLERS[letter.kind].describe(letter)["carries"] == "position"


def test_a_frame_is_not_edited_because_its_position_was_found_with_others():
    letter = letter_of(b"8d40621d58c382d690c8ac2863a7", "avr")
    letter.edited = b"8d40621d58c386435cc412692ad6"
    with pytest.raises(Undecodable, match="not_editable"):
        replay.HANDLERS[letter.kind].describe(letter)


@pytest.mark.django_db
def test_a_batch_is_described_by_its_first_messages_and_cannot_be_edited():
    parcel = batch([position(mmsi=211000000 + number) for number in range(30)])
    letter = consumption._batch_letter(parcel, "live", "no verdict in 6 deliveries")
    handler = replay.HANDLERS[letter.kind]
    described = handler.describe(letter)
    assert (described["messages"], len([name for name in described if name.startswith("message ")])) == ("30", 10)
    assert not handler.editable
    assert letter.fingerprint == fingerprint("worker", "no_verdict", "", "no verdict in 7 deliveries")
    letter.raw = pack(parcel)[:-4]
    with pytest.raises(Undecodable, match="no_batch"):
        handler.describe(letter)
