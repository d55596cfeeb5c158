"""Scorecards: what each feed heard on a day beside the others, made once when the day is over, shown on its page."""

import datetime as dt
from typing import Any

import pytest
from django.urls import reverse

from ingest import tasks
from ingest.ledger import reckoning
from ingest.models import Batch, Feed, Scorecard
from ingest.pipeline import process
from ingest.scorecards import making
from resilience.breaker.registry import in_process_breaker
from tests.support.messages import NOON, NOON_MS, batch, position
from tracking.truth import judge

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "direct"])
DAY = NOON.date()


def hear(source: str, latitudes: list[float], late_ms: int = 0, start: int = 0) -> None:
    """One ship a place, ten seconds apart, heard so late."""
    for n, latitude in enumerate(latitudes, start):
        at = NOON_MS + n * 10_000
        raw = position(mmsi=244660000 + n, lat=latitude, lon=4.0, second=at // 1000 % 60)
        process(batch([raw], received_at=at + late_ms, source=source), in_process_breaker, derived=())
    Batch.objects.update(booked_at=NOON)


@pytest.fixture
def feeds() -> None:
    known = {"url": "udp://0.0.0.0:1"}
    Feed.objects.create(name="Pier", source="pier", receiver_latitude=52.0, receiver_longitude=4.0, **known)
    Feed.objects.create(name="Roof", source="roof", **known)
    Feed.objects.create(name="Mast", source="mast", **known)


@pytest.mark.usefixtures("feeds")
def test_a_card_tells_what_a_feed_heard_first_and_alone_how_late_and_how_far() -> None:
    hear("pier", [52.5, 53.0, 51.0])
    hear("roof", [52.5, 53.0], late_ms=2000)
    hear("roof", [52.2], late_ms=2000, start=3)
    process(batch([position(lat=91, lon=181)], source="roof"), in_process_breaker, derived=())
    Batch.objects.update(booked_at=NOON)
    assert making.make(DAY) == 3
    pier, roof, mast = (Scorecard.objects.get(source=source) for source in ("pier", "roof", "mast"))
    assert (pier.heard, pier.first, pier.alone, pier.refused) == (3, 3, 1, 0)
    assert (roof.heard, roof.first, roof.alone, roof.refused) == (3, 1, 1, 1)
    assert (mast.heard, mast.first, mast.alone, mast.delay_ms, mast.sectors) == (0, 0, 0, None, None)
    assert (pier.delay_ms, roof.delay_ms, roof.sectors) == (0, 2000, None)
    assert pier.sectors is not None and len(pier.sectors) == making.SECTORS
    assert pier.sectors[0] == [pytest.approx(60, abs=0.2), pytest.approx(58.5, abs=1)]
    assert pier.sectors[18][0] == pytest.approx(60, abs=0.2)
    assert {tuple(sector) for number, sector in enumerate(pier.sectors) if number not in (0, 18)} == {(0, 0)}


@pytest.mark.usefixtures("feeds")
def test_a_card_is_written_once_and_goes_with_the_years() -> None:
    hear("pier", [52.5])
    assert (making.make(DAY), making.make(DAY)) == (3, 0)
    assert making.make(DAY + dt.timedelta(days=making.KEEP_DAYS + 1)) == 3
    assert set(Scorecard.objects.values_list("day", flat=True)) == {DAY + dt.timedelta(days=making.KEEP_DAYS + 1)}


@pytest.mark.usefixtures("feeds")
def test_refused_positions_reach_no_range() -> None:
    hear("pier", [52.5])
    for n in range(1, 8):
        latitude = 20.0 if n == 4 else 52.5 + n * 0.0005
        raw = position(mmsi=244660000, lat=latitude, lon=4.0, second=(n * 10) % 60)
        process(batch([raw], received_at=NOON_MS + n * 10_000, source="pier"), in_process_breaker, derived=())
    judge.judge_all()
    making.make(DAY)
    sectors = Scorecard.objects.get(source="pier").sectors
    assert sectors is not None and max(furthest for furthest, _ in sectors) < 35


@pytest.mark.usefixtures("feeds")
def test_a_large_day_is_sampled_and_scaled_up(monkeypatch: pytest.MonkeyPatch) -> None:
    hear("pier", [52.5, 53.0])
    monkeypatch.setattr(making, "_share", lambda table, day: 0.5)
    monkeypatch.setattr(making, "_asked", lambda table, feeds, day, share: [("pier", None, 5, 5, 100.0, None, None)])
    making.make(DAY)
    assert Scorecard.objects.get(source="pier").alone == 20  # of two tables


@pytest.mark.usefixtures("feeds")
def test_housekeeping_writes_yesterday_and_the_page_shows_table_and_outline(admin_client: Any) -> None:
    assert "3 scorecards written" in tasks.close_books()
    yesterday = reckoning.today() - dt.timedelta(days=1)
    sectors = [[40.0, 30.0]] * making.SECTORS
    Scorecard.objects.filter(source="pier").update(heard=1000, first=250, alone=100, delay_ms=1500, sectors=sectors)
    feed = Feed.objects.get(source="pier")
    answer = admin_client.get(reverse("admin:ingest_feed_change", args=[feed.pk]))
    scores = answer.context["scores"]
    assert scores["rows"] == [[yesterday.isoformat(), "1,000", "250 (25%)", "100", "0", "1.5 s", "40 nm"]]
    assert scores["outline"]["most"] == "40 nm" and scores["outline"]["furthest"].count(",") == making.SECTORS
    assert "<polygon" in answer.content.decode()
