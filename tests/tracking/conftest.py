"""Fixtures of the tests of what we know: the live server, empty."""

from collections.abc import Iterator

import pytest
from django.conf import settings as django_settings
from django_redis import get_redis_connection
from redis import Redis

from tracking import embedded


@pytest.fixture
def live_redis() -> Iterator[Redis]:
    """A client of the tests' embedded live server, its database 0 emptied before and after."""
    if embedded.redis_url(django_settings.DATA_DIR, "live") != django_settings.LIVE_REDIS_URL:
        pytest.fail("LIVE_REDIS_URL or REDIS_URL is set: this test empties its server and wants the embedded one")
    client = get_redis_connection("live")
    assert client.connection_pool.connection_kwargs.get("db", 0) == 0
    client.flushdb()
    yield client
    client.flushdb()
