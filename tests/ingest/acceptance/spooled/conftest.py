"""Fixtures of the tests of a queue that refuses: a spool of a test's own, the queue, and processes that end."""

import contextlib
import os
import signal

import pytest
from django.conf import settings as configured
from django_redis import get_redis_connection

from ingest.push import receivers
from resilience.spool import drain
from resilience.spool.spool import get_spool
from tests.support.patience import PATIENCE_SECONDS
from tracking import embedded


@pytest.fixture(autouse=True)
def spool(tmp_path, settings):
    """An empty spool of this test's own."""
    settings.SPOOL_DIR = tmp_path / "spool"
    receivers._known.forget()
    yield get_spool()
    drain.stop()


@pytest.fixture
def queue():
    """The queue's Redis, empty; it runs again when the test is over."""
    client = get_redis_connection("queue")
    client.flushdb()
    yield client
    embedded.start(configured.DATA_DIR, ["queue"])
    client.flushdb()


@pytest.fixture
def children():
    """Processes that a test started, with all they forked; killed when it is over."""
    started = []
    yield started
    for child in started:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)
        child.communicate(timeout=PATIENCE_SECONDS)
