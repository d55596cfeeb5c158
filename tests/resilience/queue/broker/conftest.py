"""Fixtures of the tests of the broker: streams of a test's own, and a server that is away."""

import uuid
from collections.abc import Iterator
from typing import Any

import pytest
import redis
from django_q.conf import Conf
from django_redis import get_redis_connection
from redis.backoff import NoBackoff
from redis.retry import Retry

from resilience.queue import broker as queue
from resilience.queue.broker import StreamsBroker
from resilience.queue.spent import on_spent
from tests.support.streams_of_tasks import ALLOWED


@pytest.fixture(autouse=True)
def own_names(monkeypatch: pytest.MonkeyPatch, settings: Any) -> Iterator[str]:
    """A cluster and a breaker that no other test shares."""
    name = f"test-{uuid.uuid4().hex}"
    monkeypatch.setattr(Conf, "CLUSTER_NAME", name)
    monkeypatch.setattr(queue, "BREAKER", name)
    monkeypatch.setattr(queue, "_BLOCK_MS", 10)
    monkeypatch.setattr(queue, "_WITHHELD_BLOCK_MS", 10)
    settings.QUEUE_ALLOWED_TASKS = [ALLOWED]
    yield name
    on_spent(None)
    client = get_redis_connection("queue")
    client.delete(*client.keys(f"tracking:queue:{{{name}}}:*"), *client.keys(f"tracking:{{breaker}}:*:{name}"), "none")
    client.srem("tracking:{breaker}:names", name)


@pytest.fixture
def broker() -> StreamsBroker:
    return StreamsBroker()


@pytest.fixture
def away(broker: StreamsBroker, monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Point the broker at a port where nobody listens; the pauses it makes."""
    pauses: list[float] = []
    monkeypatch.setattr(queue.time, "sleep", pauses.append)
    broker.connection = redis.Redis(port=1, retry=Retry(NoBackoff(), 0))
    broker._begin()
    return pauses
