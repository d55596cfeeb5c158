"""The page of a feed shows its equations in total and by day, and a clear mark where one does not hold."""

import datetime as dt
import re

import pytest
from django.db import transaction
from django.urls import reverse
from django.utils import timezone

from ingest.ledger import admin as accounts_admin
from ingest.ledger import closed_days
from ingest.models import Feed
from tests.ingest.ledger.test_accounts import WHOLE, book
from tests.support.reports import side_by_side

pytestmark = pytest.mark.django_db
HOLDS, BROKEN = 'aria-label="holds"', 'aria-label="does not hold"'


@pytest.fixture
def feed():
    return Feed.objects.create(name="Pier", url="sim://", source="pier")


def days_ago(days, **counts):
    clean = WHOLE | {"dead": 0, "stored": 3, "source": "pier"}
    return book(**clean | {"booked_at": timezone.now() - dt.timedelta(days=days)} | counts)


def shown(client, feed):
    """The section of the page, its white space folded."""
    response = client.get(reverse("admin:ingest_feed_change", args=[feed.pk]))
    assert response.status_code == 200
    [section] = re.findall(r'<section id="accounts".*?</section>', response.content.decode(), re.DOTALL)
    return " ".join(section.split())


def test_a_feed_without_a_batch_says_so(admin_client, feed):
    assert "No batch of this feed is booked yet." in shown(admin_client, feed)


def test_the_page_to_add_a_feed_has_no_accounts(admin_client):
    assert 'id="accounts"' not in admin_client.get(reverse("admin:ingest_feed_add")).content.decode()


def test_equations_that_hold_have_ticks_in_total_and_by_day(admin_client, feed):
    days_ago(0)
    days_ago(2)
    days_ago(2, source="another")
    page = shown(admin_client, feed)
    assert "adds up" in page and "2 batches since" in page
    assert (page.count(HOLDS), page.count(BROKEN)) == (3 + 2 * 3, 0)
    for text in ("checksum_wrong", "mmsi_zero", "Malformed lines", "Rejected messages"):
        assert text in page


def test_a_broken_equation_is_marked_by_day_and_in_total_and_its_days_are_named(admin_client, feed):
    days_ago(0)
    days_ago(2, foreign=3)
    day = (timezone.now() - dt.timedelta(days=2)).date()
    page = shown(admin_client, feed)
    assert f"An equation does not hold on {day}." in page
    assert (page.count(HOLDS), page.count(BROKEN)) == (2 + 5, 2)
    assert "12 ≠ 13" in page and "the right side is 25" in page


def test_a_broken_day_that_was_rolled_up_long_ago_is_named_even_if_the_total_adds_up(admin_client, feed):
    days_ago(40, foreign=3)
    days_ago(50, foreign=1)
    assert closed_days.close(timezone.now().date()).lines == 2
    page = shown(admin_client, feed)
    assert "does not add up" in page and page.count(BROKEN) == 0
    assert (timezone.now() - dt.timedelta(days=40)).date().isoformat() in page


def test_only_fourteen_days_have_a_row(admin_client, feed):
    for days in (0, 13, 14, 20):
        days_ago(days)
    page = shown(admin_client, feed)
    assert page.count("<tr") == 1 + 2 and "4 batches since" in page


@pytest.mark.django_db(transaction=True)
def test_a_ledger_that_does_not_answer_in_time_leaves_the_page_usable(admin_client, feed, monkeypatch):
    monkeypatch.setattr(accounts_admin, "PATIENCE", "100ms")
    pages = []
    with transaction.atomic(), transaction.get_connection().cursor() as cursor:
        cursor.execute("LOCK TABLE ingest_batch IN ACCESS EXCLUSIVE MODE")
        side_by_side(lambda: pages.append(shown(admin_client, feed)))
    assert "manage.py accounts --source pier --by-day" in pages[0] and "unknown" in pages[0]
    monkeypatch.undo()
    assert "No batch" in shown(admin_client, feed)
