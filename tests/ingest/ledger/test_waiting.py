"""The end of a run: only what waits is remembered, however long the run is."""

import uuid

import pytest
from django.db import connection

from ingest.ledger import waiting
from ingest.ledger.waiting import Outstanding
from ingest.reports import Message, MessageBatch
from ingest.stages.storing import booking

pytestmark = [pytest.mark.django_db(transaction=True)]


def batch(messages: int = 2) -> MessageBatch:
    return MessageBatch(
        uuid.uuid4(), uuid.uuid4(), "pier", "nmea", 80, 1_700_000_000_000, messages=[Message(0, b"")] * messages
    )


def test_booked_batches_are_forgotten_and_the_others_counted():
    outstanding = Outstanding()
    accepted = [batch() for _ in range(5)]
    for one in accepted:
        outstanding.add(one, [])
    for one in accepted[:3]:
        booking.insert_once(booking.ledger_entry(one))
    assert outstanding.messages() == 4
    assert set(outstanding.batches) == {one.id for one in accepted[3:]}


def test_a_long_run_remembers_only_what_waits(monkeypatch):
    monkeypatch.setattr(waiting, "LOOK_EVERY", 10)
    outstanding = Outstanding()
    for _ in range(100):
        one = batch()
        booking.insert_once(booking.ledger_entry(one))
        outstanding.add(one, [])
        assert len(outstanding.batches) <= 10


def test_a_ledger_that_is_away_stops_no_run_and_is_asked_again_later(monkeypatch):
    monkeypatch.setattr(waiting, "LOOK_EVERY", 10)
    outstanding = Outstanding()
    connection.close()
    monkeypatch.setitem(connection.settings_dict, "HOST", "127.0.0.1")
    monkeypatch.setitem(connection.settings_dict, "PORT", "1")
    for _ in range(15):
        outstanding.add(batch(), [])
    assert len(outstanding.batches) == 15


@pytest.mark.parametrize(
    ("days", "seconds", "outlived"), [(7, 7 * 86_400, True), (7, 6 * 86_400, False), (0, 1e9, False)]
)
def test_a_run_older_than_the_lines_of_the_ledger_is_not_compared_with_them(settings, days, seconds, outlived):
    settings.KEEP_LEDGER_DAYS = days
    assert waiting.outlived_the_ledger(seconds) is outlived
