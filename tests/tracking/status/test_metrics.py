"""The metrics: what Prometheus reads, checked by Prometheus' own parsers."""

import time
from collections.abc import Iterator
from typing import Any

import pytest
from django.db import connections
from django.test import Client
from django_redis import get_redis_connection
from prometheus_client import parser
from prometheus_client.openmetrics import parser as openmetrics_parser

from ingest.health import keys as health_keys
from ingest.health.shown import sections as ingest_status
from resilience.breaker.registry import get_breaker
from resilience.spool.spool import get_spool
from tracking.connections import redis_pool_options
from tracking.live.state import LiveKind, LiveState, LiveUpdate

FEED = 'pier "north" \\ é\n{}'  # a label of any characters
BREAKER = "metrics-test"
FAMILIES = {
    "tracking_dependency_up": "gauge",
    "tracking_live_targets": "gauge",
    "tracking_feed_state": "gauge",
    "tracking_feed_messages_per_second": "gauge",
    "tracking_feed_delay_seconds": "gauge",
    "tracking_feed_lines": "counter",
    "tracking_feed_messages": "counter",
    "tracking_feed_malformed": "counter",
    "tracking_feed_rejected": "counter",
    "tracking_feed_identities": "counter",
    "tracking_feed_unchanged": "counter",
    "tracking_relay_messages": "counter",
    "tracking_relay_state": "gauge",
    "tracking_queue_entries": "gauge",
    "tracking_queue_pending": "gauge",
    "tracking_queue_oldest_seconds": "gauge",
    "tracking_spool_entries": "gauge",
    "tracking_spool_bytes": "gauge",
    "tracking_spool_oldest_seconds": "gauge",
    "tracking_dead_letters_open": "gauge",
    "tracking_breaker_state": "gauge",
    "tracking_clock_ahead_seconds": "gauge",
    "tracking_breaker_opened": "counter",
}


@pytest.fixture(autouse=True)
def known(live_redis: Any, settings: Any, tmp_path: Any, monkeypatch: Any) -> Iterator[None]:
    """One ship, one feed with two minutes of messages, one breaker that was tripped, one batch in the spool."""
    settings.SPOOL_DIR = tmp_path / "spool"
    monkeypatch.setattr(ingest_status, "_known", ingest_status._FeedLabels())
    LiveState(LiveKind.VESSEL).write([LiveUpdate("211000001", float(live_redis.time()[0]), 54.0, 10.0)])
    queue = get_redis_connection("queue")
    now = round(time.time() * 1000)
    keys = [health_keys.facts(FEED)]
    facts = {"told_at": now, "since": now - 90_000, "error": "", "recorded": 0, "last_message": now}
    queue.hset(keys[0], mapping=facts)
    for ago in (1, 2):
        keys.append(health_keys.minute(FEED, now // health_keys.MINUTE_MS - ago))
        queue.hset(keys[-1], mapping={"told": 1, "messages": 120, "delay.0": 10})
    keys.append(health_keys.totals(FEED))
    queue.hset(keys[-1], mapping={"lines": 260, "messages": 240, "malformed": 20})
    get_breaker(BREAKER).trip("a test", "to have one that is not closed")
    get_spool().append("live", ["package"], {})
    yield
    queue.delete(*keys)
    get_breaker(BREAKER).reset("a test", "it is over")


def scraped(accept: str = "") -> dict[str, Any]:
    """Families by name."""
    response = Client(HTTP_ACCEPT=accept).get("/metrics")
    assert response.status_code == 200 and "no-store" in response["Cache-Control"]
    text = response.content.decode()
    parse = openmetrics_parser if "openmetrics" in response["Content-Type"] else parser
    return {family.name: family for family in parse.text_string_to_metric_families(text)}


def values(family: Any, label: str, **fixed: str) -> dict[str, float]:
    """Values by `label`, of the samples with the `fixed` labels."""
    return {sample.labels[label]: sample.value for sample in family.samples if fixed.items() <= sample.labels.items()}


@pytest.mark.django_db
@pytest.mark.parametrize("accept", ["", "application/openmetrics-text; version=1.0.0"])
def test_every_family_is_named_typed_and_explained(accept):
    found = scraped(accept)
    assert {name: family.type for name, family in found.items()} == FAMILIES
    assert all(family.documentation.endswith(".") for family in found.values())
    assert {sample.name for sample in found["tracking_breaker_opened"].samples} == {"tracking_breaker_opened_total"}


@pytest.mark.django_db
def test_the_values_are_those_of_now():
    found = scraped()
    assert values(found["tracking_dependency_up"], "name") == {"postgresql": 1, "live_redis": 1, "queue_redis": 1}
    assert values(found["tracking_live_targets"], "kind") == {"vessel": 1, "aircraft": 0, "station": 0}
    assert values(found["tracking_breaker_state"], "state", name=BREAKER) == {
        "closed": 0,
        "open": 0,
        "half_open": 0,
        "forced_open": 1,
    }
    assert values(found["tracking_feed_state"], "state", feed=FEED)["ok"] == 1
    assert values(found["tracking_feed_messages_per_second"], "feed")[FEED] == 2
    totals = {name: found[f"tracking_feed_{name}"] for name in ("lines", "messages", "malformed", "rejected")}
    assert {name: values(family, "feed")[FEED] for name, family in totals.items()} == {
        "lines": 260,
        "messages": 240,
        "malformed": 20,
        "rejected": 0,
    }
    assert values(found["tracking_feed_delay_seconds"], "quantile", feed=FEED).keys() == {"0.5", "0.95"}
    assert set(values(found["tracking_queue_entries"], "stream")) == {"housekeeping", "live", "replay", "parked"}
    assert found["tracking_spool_entries"].samples[0].value == 1
    assert found["tracking_spool_bytes"].samples[0].value == len("package")
    assert 0 <= found["tracking_spool_oldest_seconds"].samples[0].value < 60
    assert found["tracking_dead_letters_open"].samples[0].value == 0


@pytest.mark.django_db
def test_without_postgresql_its_numbers_are_left_out_and_all_others_stay(monkeypatch):
    for name, value in {"HOST": "127.0.0.1", "PORT": "1"}.items():
        monkeypatch.setitem(connections.settings["default"], name, value)
    found = scraped()
    assert set(FAMILIES) - set(found) == {"tracking_dead_letters_open", "tracking_clock_ahead_seconds"}
    assert values(found["tracking_dependency_up"], "name") == {"postgresql": 0, "live_redis": 1, "queue_redis": 1}


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("alias", "left"),
    [
        ("live", set(FAMILIES) - {"tracking_live_targets"}),
        (
            "queue",
            {
                name
                for name in FAMILIES
                if not name.startswith(("tracking_queue", "tracking_feed", "tracking_relay", "tracking_br"))
            },
        ),
    ],
)
def test_without_a_redis_its_numbers_are_left_out_rather_than_repeated(settings, alias, left):
    assert set(scraped()) == set(FAMILIES)
    options = {"CONNECTION_POOL_KWARGS": redis_pool_options("redis://127.0.0.1:1/0", settings.DATA_DIR)}
    cache = {"BACKEND": "django_redis.cache.RedisCache", "LOCATION": "redis://127.0.0.1:1/0", "OPTIONS": options}
    before = settings.CACHES
    settings.CACHES = before | {alias: cache}
    try:
        found = scraped()
        assert values(found["tracking_dependency_up"], "name")[f"{alias}_redis"] == 0
        assert set(found) == left
    finally:
        settings.CACHES = before
