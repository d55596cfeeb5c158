"""Samples of refused messages: the first ones, raw, by feed and reason, never more than their slots."""

import datetime as dt
from collections import Counter
from html import escape
from typing import Any

import pytest
from django.db import transaction
from django.urls import reverse

from ingest import tasks
from ingest.clocks import recorded_clock
from ingest.formats.ais.assembly import NmeaAssembly
from ingest.formats.common.contract import Setup
from ingest.ledger import reckoning
from ingest.models import Batch, RefusedMessage
from ingest.pipeline import process
from ingest.reports import MessageBatch
from ingest.stages.storing import samples
from resilience.breaker.registry import in_process_breaker
from tests.support.messages import batch, position
from tests.support.recordings import recording
from tracking.models import VesselPosition

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "direct"])
NOWHERE = position(lat=91, lon=181)


def store(one: MessageBatch) -> None:
    process(one, in_process_breaker, derived=())


def kept() -> Counter[tuple[str, str]]:
    return Counter(RefusedMessage.objects.values_list("source", "reason"))


def test_a_refused_message_is_kept_as_it_was_received() -> None:
    store(batch([position(), NOWHERE, position(1000)]))
    sample = RefusedMessage.objects.get()
    assert (bytes(sample.raw), sample.source, sample.format) == (NOWHERE, "test", "nmea")
    assert sample.reason in Batch.objects.get().rejected


def test_of_a_feed_and_reason_no_more_than_its_slots_are_kept_and_no_more_than_some_a_minute() -> None:
    minute = 1_800_000_000_000 // 60_000 * 60_000
    for n in range(samples.SLOTS // samples.A_MINUTE + 3):
        for part in range(3):
            store(batch([NOWHERE] * samples.A_MINUTE, accepted_at=minute + n * 60_000 + part))
        expected = min(samples.SLOTS, (n + 1) * samples.A_MINUTE)
        assert kept() == {("test", RefusedMessage.objects.first().reason): expected}
    newest = RefusedMessage.objects.order_by("-entered_at").first()
    assert newest is not None
    store(batch([NOWHERE + b" "], accepted_at=minute + 10**7, source="other"))
    assert sum(kept().values()) == samples.SLOTS + 1


def test_a_batch_that_is_not_committed_keeps_none_and_a_repeated_one_none_again() -> None:
    one = batch([NOWHERE])
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        store(one)
        raise ZeroDivisionError
    assert not kept()
    store(one)
    store(one)
    assert sum(kept().values()) == 1


def test_samples_go_with_age(settings: Any) -> None:
    settings.KEEP_QUARANTINE_DAYS = 30
    store(batch([NOWHERE]))
    store(batch([NOWHERE], source="other"))
    old = dt.datetime.combine(reckoning.today(), dt.time(), dt.UTC) - dt.timedelta(days=31)
    RefusedMessage.objects.filter(source="other").update(entered_at=old)
    assert "1 samples of refused messages forgotten" in tasks.close_books()
    assert [source for source, _ in kept()] == ["test"]


def test_the_admin_shows_a_sample_with_its_bytes(admin_client: Any) -> None:
    store(batch([NOWHERE]))
    sample = RefusedMessage.objects.get()
    listed = admin_client.get(reverse("admin:ingest_refusedmessage_changelist") + f"?q={sample.reason}")
    assert escape(NOWHERE.decode()) in listed.content.decode()
    page = admin_client.get(reverse("admin:ingest_refusedmessage_change", args=[sample.pk])).content.decode()
    assert escape(NOWHERE.decode()) in page and f"000000  {NOWHERE[:16].hex(' ')}" in page


def test_the_garbage_of_a_satellite_service_is_in_samples_and_in_no_table() -> None:
    assembly = NmeaAssembly(Setup(recorded_clock(), recorded=True))
    messages = list(assembly.feed(recording("nmea/amsa_exactearth_augmented_1.txt").read_bytes(), None))
    store(batch([], messages=messages, source="exact"))
    booked = Batch.objects.get()
    for reason, count in booked.rejected.items():
        assert kept()["exact", reason] == min(count, samples.A_MINUTE)
    assert not VesselPosition.objects.exclude(vessel__mmsi__range=(1, 999_999_999)).exists()
