"""The equations of the accounts can fail, and do when one counter is off by one."""

import uuid

import pytest
from django.db import IntegrityError
from django.db.models import Q
from django.utils import timezone

from ingest.ledger.accounts import Account, account, violations
from ingest.models import Batch
from ingest.reports import LineCounts


def book(**counts):
    now = timezone.now()
    values = {"run": uuid.uuid4(), "source": "test", "format": "nmea", "accepted_at": now, "booked_at": now}
    return Batch.objects.create(**values | counts)


WHOLE = {
    "lines": 12,
    "foreign": 2,
    "malformed": {"checksum_wrong": 1, "field_count": 1},
    "sentences": 8,
    "messages": 8,
    "positions": 5,
    "static": 1,
    "stations": 0,
    "other": 1,
    "rejected": {"mmsi_zero": 1},
    "stored": 2,
    "merged": 1,
    "duplicate": 1,
    "dead": 1,
    "discarded": 0,
}


@pytest.mark.django_db
def test_accounts_are_sums_over_the_ledger_with_reasons_added_up():
    book(**WHOLE)
    book(**WHOLE)
    total = account(Q(source="test"))
    assert (total.lines, total.malformed) == (24, {"checksum_wrong": 2, "field_count": 2})
    assert violations(total) == []
    assert account(Q(source="another")) == Account()


@pytest.mark.parametrize("field", [name for name, value in WHOLE.items() if isinstance(value, int)])
def test_one_more_in_any_counter_breaks_an_equation(field):
    assert violations(Account(**WHOLE)) == []
    assert violations(Account(**WHOLE | {field: WHOLE[field] + 1}))


@pytest.mark.parametrize("field", ["malformed", "rejected"])
def test_one_more_under_any_reason_breaks_an_equation(field):
    assert violations(Account(**WHOLE | {field: WHOLE[field] | {"another": 1}}))


def test_a_collector_and_the_ledger_are_compared():
    booked = Account(**WHOLE)
    read = LineCounts(12, 2, 8, {"checksum_wrong": 2}, {})
    assert violations(booked, read, accepted=8) == []
    assert violations(booked, read, accepted=9) == ["accepted = booked + waiting: 9 is not 8"]
    assert violations(booked, read, accepted=9, waiting=1) == []
    assert violations(booked, LineCounts(13, 3, 8, {"checksum_wrong": 2}, {}), accepted=8)


@pytest.mark.django_db
def test_the_database_itself_refuses_positions_that_do_not_add_up():
    with pytest.raises(IntegrityError, match="batch_positions_add_up"):
        book(positions=2, stored=1)
