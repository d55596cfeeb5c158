"""What connects again never spins: attempts are counted at a server that takes every connection and cuts it at once."""

import asyncio
import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterator
from copy import deepcopy

import pytest
from django.conf import LazySettings

from ingest.sources.sockets.tcp import TcpSource
from resilience.breaker import registry as breakers
from resilience.breaker.registry import Breaker, MemoryStore
from resilience.queue.broker import StreamsBroker
from tests.support.patience import PATIENCE_SECONDS
from tracking.connections import redis_pool_options
from tracking.live import missed
from tracking.live.keeper import LiveKeeper

pytestmark = [pytest.mark.fault]

SECONDS = 3.0
ATTEMPTS = 10  # at most, in that time
LEAST = 2  # without which nothing was tried


class Outage:
    """A port where every connection is cut at once, which tempts to try again at once."""

    def __init__(self) -> None:
        self.attempts = 0
        self.seconds = 0.0  # how long it was watched
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._cut, daemon=True).start()

    def _cut(self) -> None:
        with contextlib.suppress(OSError):  # the end of the test closes the listener
            while True:
                connection, _ = self._listener.accept()
                self.attempts += 1
                connection.close()

    def watched(self) -> Iterator[None]:
        """So long as it is to last: SECONDS, and on a slow machine until there were attempts to be counted."""
        begun = time.monotonic()
        while self.seconds < SECONDS or self.attempts < LEAST:
            assert self.seconds < PATIENCE_SECONDS, "nobody tried again"
            yield
            self.seconds = time.monotonic() - begun

    def end(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()


@pytest.fixture
def outage() -> Iterator[Outage]:
    outage = Outage()
    yield outage
    outage.end()


def redis_away(settings: LazySettings, alias: str, outage: Outage) -> None:
    """The Redis of the cache `alias` is where every connection is cut."""
    url = f"redis://127.0.0.1:{outage.port}/0"
    caches = deepcopy(settings.CACHES)
    caches[alias]["LOCATION"] = url
    caches[alias]["OPTIONS"]["CONNECTION_POOL_KWARGS"] = redis_pool_options(url, settings.DATA_DIR)
    settings.CACHES = caches


def broker(settings: LazySettings, outage: Outage) -> None:
    """The queue's reader and its breaker."""
    redis_away(settings, "queue", outage)
    breakers._shared_breaker.cache_clear()
    reader = StreamsBroker()
    for _ in outage.watched():
        assert reader.dequeue() is None
    breakers._shared_breaker.cache_clear()


def keeper(settings: LazySettings, outage: Outage) -> None:
    """The keeper of live state."""
    redis_away(settings, "live", outage)
    alone = {name: Breaker(name, MemoryStore()) for name in ("database", "live")}
    with LiveKeeper(alone.__getitem__):
        for _ in outage.watched():
            time.sleep(0.05)


def notes(settings: LazySettings, outage: Outage) -> None:
    """Batches, one after the other, whose live state is missed while the mark cannot be set."""
    redis_away(settings, "queue", outage)
    for _ in outage.watched():
        missed.mark()
        time.sleep(0.001)
    missed._unmarked = False


def tcp(settings: LazySettings, outage: Outage) -> None:
    """A feed."""

    async def read() -> None:
        async for _ in TcpSource("127.0.0.1", outage.port).chunks():
            raise AssertionError("nothing was sent")

    async def watch() -> None:
        reading = asyncio.create_task(read())
        for _ in outage.watched():
            await asyncio.sleep(0.05)
        assert reading.cancel(), "it ended by itself"

    asyncio.run(watch())


@pytest.mark.parametrize("connect", [broker, keeper, notes, tcp])
def test_an_outage_is_waited_out_with_few_attempts(
    connect: Callable[[LazySettings, Outage], None], settings: LazySettings, outage: Outage
) -> None:
    connect(settings, outage)
    assert outage.attempts <= ATTEMPTS * max(1.0, outage.seconds / SECONDS)
