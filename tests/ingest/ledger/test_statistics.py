"""What each feed brought, day by day, over the API."""

import datetime as dt
import uuid
from typing import Any

import pytest
from rest_framework.test import APIClient

from ingest.models import Batch, DayAccount
from tests.support.keys import header, make_key

pytestmark = pytest.mark.django_db
DAY = dt.datetime(2026, 5, 1, 12, tzinfo=dt.UTC)
SAID = {
    "lines": 5,
    "sentences": 4,
    "malformed": {"checksum": 1},
    "messages": 3,
    "positions": 3,
    "stored": 2,
    "merged": 1,
}


@pytest.fixture
def api(django_user_model: Any) -> APIClient:
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=header(make_key(django_user_model.objects.create_user("reader"))))
    return client


def book(source: str, at: dt.datetime) -> None:
    Batch.objects.create(run=uuid.uuid4(), source=source, format="nmea", accepted_at=at, booked_at=at, **SAID)


def test_a_row_is_a_feed_and_a_day_with_open_and_closed_days_alike(api: APIClient) -> None:
    book("pier", DAY)
    book("pier", DAY)
    book("roof", DAY)
    DayAccount.objects.create(source="pier", day=dt.date(2026, 4, 30), batches=9, **SAID)
    found = api.get("/api/feeds/statistics/?since=2026-04-30&until=2026-05-01").json()
    assert [(row["source"], row["day"], row["batches"], row["lines"]) for row in found] == [
        ("pier", "2026-04-30", 9, 5),
        ("pier", "2026-05-01", 2, 10),
        ("roof", "2026-05-01", 1, 5),
    ]
    assert all(row["balanced"] for row in found)
    assert found[1]["malformed"] == {"checksum": 2}


def test_one_feed_alone_and_the_last_days_where_nothing_is_said(api: APIClient) -> None:
    book("pier", dt.datetime.now(dt.UTC))
    book("roof", dt.datetime.now(dt.UTC) - dt.timedelta(days=1))
    book("roof", dt.datetime.now(dt.UTC) - dt.timedelta(days=20))
    assert [row["source"] for row in api.get("/api/feeds/statistics/").json()] == ["pier", "roof"]
    assert [row["source"] for row in api.get("/api/feeds/statistics/?source=pier").json()] == ["pier"]


@pytest.mark.parametrize(
    "query",
    [
        "since=2026-05-02&until=2026-05-01",
        "since=2020-01-01&until=2026-01-01",
        "since=soon",
        "day=1",
        *("until=9999-12-31", "until=", "source="),
    ],
)
def test_what_makes_no_sense_is_refused(api: APIClient, query: str) -> None:
    assert api.get(f"/api/feeds/statistics/?{query}").status_code == 400
    assert api.get("/api/feeds/statistics/?until=0001-01-01").json() == []
