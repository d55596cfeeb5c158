"""One transmission of an aircraft through five feeds is one row; accounts add up, and live state never goes back."""

import random
import time
from collections import Counter
from typing import Any

import pytest
from django.db.models import Sum

from ingest.clocks import arrival_clock
from ingest.formats.common.contract import Setup
from ingest.formats.registry import FORMATS
from ingest.models import Batch
from ingest.pipeline import process
from ingest.reports import Message
from ingest.stages import echoes
from resilience.breaker.registry import in_process_breaker
from tests.support.messages import batch
from tests.tracking.conftest import live_redis
from tracking.live.echoes import PERIOD_SECONDS, WITHIN_MS, Said, first_heard
from tracking.live.state import LiveKind, LiveState
from tracking.models import AircraftPosition

__all__ = ["live_redis"]  # a fixture of another room
pytestmark = [pytest.mark.django_db(transaction=True, databases=["default", "direct"])]
FEEDS, AIRCRAFT, SECONDS = 5, 12, 24
T = 1_800_000_000_000


def line(icao: str, latitude: float, longitude: float) -> bytes:
    logged = "2026/03/01,12:00:00.000"
    said = f"34000,430,0,{latitude:.5f},{longitude:.5f},,,,,,0"
    return f"MSG,3,1,1,{icao},1,{logged},{logged},,{said}".encode()


def arrivals(most_late_ms: int) -> tuple[int, list[tuple[int, int, bytes]]]:
    """How many transmissions were heard, and (arrival, feed, line) of all feeds as they come."""
    chance = random.Random(8)
    now = round(time.time() * 1000) - SECONDS * 1000
    heard, found = 0, []
    for n in range(SECONDS):
        for plane in range(AIRCRAFT):
            text = line(f"3C64{plane:02X}", 50 + n * 0.002 + plane * 0.3, 8 + plane * 0.01)
            feeds = [feed for feed in range(FEEDS) if chance.random() < 0.8]
            heard += bool(feeds)
            at = now + n * 1000 + chance.randrange(300)
            found += [(at + chance.randrange(20, most_late_ms), feed, text) for feed in feeds]
    return heard, sorted(found)


def batches(lines: list[tuple[int, int, bytes]]) -> list[tuple[str, list[Message]]]:
    """What arrived of a feed within a quarter of a second, in the order of time."""
    assemblies = [FORMATS["sbs"].assembly(Setup(arrival_clock)) for _ in range(FEEDS)]
    found: dict[tuple[int, int], list[Message]] = {}
    for at, feed, text in lines:
        found.setdefault((at // 250, feed), []).extend(assemblies[feed].feed(text + b"\n", at))
    return [(f"rx{feed}", messages) for (_, feed), messages in sorted(found.items())]


def store(source: str, messages: list[Message]) -> None:
    process(batch([], messages=messages, source=source, format="sbs", live=True, recorded=False), in_process_breaker)


@pytest.mark.usefixtures("live_redis")
def test_five_feeds_leave_the_rows_of_one_and_no_target_goes_back() -> None:
    heard, lines = arrivals(most_late_ms=3000)
    assert len(lines) > 3.5 * heard
    state, latest, back = LiveState(LiveKind.AIRCRAFT), dict[str, float](), 0
    for source, messages in batches(lines):
        store(source, messages)
        for icao, document in state.get_many(f"3c64{plane:02x}" for plane in range(AIRCRAFT)).items():
            back += document["lat"] < latest.get(icao, 0)
            latest[icao] = document["lat"]
    places = Counter(AircraftPosition.objects.values_list("aircraft_id", "latitude", "longitude"))
    assert (len(places), sum(places.values())) == (heard, heard)
    assert back <= 0.01 * heard
    sums = Batch.objects.aggregate(*(Sum(name) for name in ("positions", "stored", "merged", "duplicate")))
    assert sums["stored__sum"] == heard
    assert (
        sums["positions__sum"] == len(lines) == sum(sums[f"{name}__sum"] for name in ("stored", "merged", "duplicate"))
    )


def test_without_redis_more_rows_are_stored_and_none_is_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    def away(*_: Any) -> list[int]:
        raise ConnectionError("refused")

    monkeypatch.setattr(echoes, "first_heard", away)
    _, lines = arrivals(most_late_ms=400)
    for source, messages in batches(lines[:200]):
        store(source, messages)
    assert AircraftPosition.objects.count() > 100
    assert Batch.objects.aggregate(Sum("dead"))["dead__sum"] == 0


@pytest.mark.usefixtures("live_redis")
def test_the_first_to_ask_names_a_transmission_and_the_same_question_has_the_same_answer() -> None:
    first = [Said("3c6444", 50.1, 8.1, T), Said("3c6445", 50.1, 8.1, T + 1)]
    later = [Said("3c6444", 50.1, 8.1, T + 2000), Said("3c6444", 50.1, 8.1, T + WITHIN_MS + 1)]
    assert first_heard(first) == [T, T + 1]
    for _ in range(2):
        assert first_heard(later) == [T, T + WITHIN_MS + 1]
    assert first_heard([Said("3c6444", 50.10002, 8.1, T + 1)]) == [T + 1]


@pytest.mark.usefixtures("live_redis")
def test_the_end_of_a_period_is_not_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    end = 500_000 * PERIOD_SECONDS
    monkeypatch.setattr(time, "time", lambda: end - 1.0)
    assert first_heard([Said("3c6444", 50.1, 8.1, T)]) == [T]
    monkeypatch.setattr(time, "time", lambda: end + 1.0)
    assert first_heard([Said("3c6444", 50.1, 8.1, T + 2000), Said("3c6445", 50.1, 8.1, T)]) == [T, T]


@pytest.mark.usefixtures("live_redis")
def test_a_batch_of_thousands_is_one_question() -> None:
    asked = [Said(f"{n % 3000:06x}", 50 + n * 0.001, 8.0, T + n) for n in range(9000)]
    assert first_heard(asked) == [said.ms for said in asked]
    last = asked[-3000:]
    assert first_heard([said._replace(ms=said.ms + 5000) for said in last]) == [said.ms for said in last]
