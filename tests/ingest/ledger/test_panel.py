"""Today's accounts on the desk."""

import datetime as dt
import uuid

import pytest
from django.utils import timezone

from ingest.ledger import panel
from ingest.models import Batch

pytestmark = pytest.mark.django_db

SUMS = {"lines": 12, "foreign": 1, "sentences": 10, "malformed": {"checksum": 1}, "messages": 9, "other": 3}


def book(at: dt.datetime, source: str = "pier", **counts: object) -> None:
    Batch.objects.create(
        run=uuid.uuid4(), source=source, format="nmea", accepted_at=at, booked_at=at, **SUMS | {"positions": 6} | counts
    )


@pytest.fixture(autouse=True)
def at_once(monkeypatch):
    """The sums of this test's own transaction."""
    monkeypatch.setattr(panel._today, "latest", lambda: (panel._sums(), 0.0))


def test_the_accounts_of_today_are_those_of_all_feeds_and_balance():
    book(timezone.now(), stored=4, merged=2)
    book(timezone.now(), "roof", stored=6)
    book(timezone.now() - dt.timedelta(days=1), stored=6)
    found = panel.accounts("1h")
    values = {each["name"]: each["value"] for each in found["equations"]}
    assert (values, found["batches"]) == ({"lines": 24, "messages": 18, "positions": 12}, 2)
    assert {term["name"]: term["value"] for term in found["equations"][2]["terms"]}["stored"] == 10
    assert (found["balanced"], found["troubles"]) == (True, [])


def test_accounts_that_do_not_balance_name_the_feed():
    book(timezone.now(), stored=6)
    book(timezone.now(), "roof", stored=6, lines=13)
    found = panel.accounts("1h")
    assert [each["holds"] for each in found["equations"]] == [False, True, True]
    assert found["balanced"] is False
    assert [trouble["text"] for trouble in found["troubles"]] == ["the accounts of roof do not balance today"]


def test_before_they_are_added_up_for_the_first_time_nothing_is_claimed(monkeypatch):
    monkeypatch.setattr(panel._today, "latest", lambda: (None, None))
    assert panel.accounts("1h")["equations"] is None
