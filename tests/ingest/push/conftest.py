"""The queue of the tests of receivers that post."""

import pytest
from django_redis import get_redis_connection

from ingest.push import receivers
from tests.support.pushing import feed


@pytest.fixture(autouse=True)
def queue():
    """The queue's Redis with the copy of one feed in it, and nothing else."""
    client = get_redis_connection("queue")
    client.flushdb()
    receivers._known.forget()
    receivers.copy([feed()])
    yield client
    client.flushdb()
