"""Rates of the API: how many requests pass, when one may come again, and what a request costs the cache."""

import math
from itertools import pairwise

import pytest
from django.core.cache import cache
from rest_framework.test import APIRequestFactory
from rest_framework.throttling import SimpleRateThrottle
from rest_framework.views import APIView

from tracking.api.common.throttles import ChangesRate

MINUTE = 60
START = 1_800_000_000 // MINUTE * MINUTE


class Asking:
    """A client at one address with a clock of its own; `rate`: requests a minute."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, rate: int) -> None:
        monkeypatch.setitem(SimpleRateThrottle.THROTTLE_RATES, "changes", f"{rate}/min")
        cache.clear()
        self.at = float(START)
        monkeypatch.setattr(ChangesRate, "timer", lambda throttle: self.at)

    def asks(self) -> float | None:
        """None where the request passes, else the seconds to wait."""
        throttle = ChangesRate()
        request = APIView().initialize_request(APIRequestFactory().get("/api/live/changes/"))
        return None if throttle.allow_request(request, APIView()) else throttle.wait()


def test_a_rate_passes_and_one_more_waits_until_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    client = Asking(monkeypatch, 5)
    assert [client.asks() for _ in range(5)] == [None] * 5
    client.at += 30
    wait = client.asks()
    assert wait is not None and 30 <= wait < MINUTE
    client.at += wait - 0.01
    assert client.asks() is not None
    client.at += 0.02
    assert client.asks() is None


def test_a_burst_at_the_turn_of_a_minute_is_no_way_around_the_rate(monkeypatch: pytest.MonkeyPatch) -> None:
    client = Asking(monkeypatch, 10)
    client.at += MINUTE - 1
    assert [client.asks() for _ in range(10)] == [None] * 10
    client.at += 2
    assert [client.asks() for _ in range(10)].count(None) <= 1


def test_a_steady_client_within_the_rate_is_never_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    client = Asking(monkeypatch, 60)
    for _ in range(300):
        assert client.asks() is None
        client.at += 1.02


def test_who_asks_all_the_time_passes_as_often_as_the_rate_says(monkeypatch: pytest.MonkeyPatch) -> None:
    client = Asking(monkeypatch, 30)
    passed = []
    for _ in range(10 * MINUTE):
        if client.asks() is None:
            passed.append(client.at)
        client.at += 1
    assert 0.9 * 300 <= len(passed) <= 300 + 1
    assert max(after - before for before, after in pairwise(passed)) < MINUTE


def test_what_a_request_costs_does_not_grow_with_their_number(monkeypatch: pytest.MonkeyPatch) -> None:
    client = Asking(monkeypatch, 100_000)
    for _ in range(1000):
        assert client.asks() is None
    held = cache.get_many([key for key in cache.keys("*throttle*")])
    assert list(held.values()) == [1000]


def test_a_cache_that_was_emptied_amid_a_request_begins_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    client = Asking(monkeypatch, 100)
    counted = {}
    monkeypatch.setattr(cache, "get_many", lambda keys: counted.setdefault(keys[0], {keys[0]: 7}))
    assert client.asks() is None
    assert [cache.get(key) for key in counted] == [1]


def test_an_answer_of_a_refusal_says_whole_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    client = Asking(monkeypatch, 1)
    client.at += 12.3
    assert client.asks() is None
    wait = client.asks()
    assert wait is not None and math.ceil(wait) == 48
