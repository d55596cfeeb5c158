"""Fixtures of the tests of live state."""

import pytest
from redis import Redis

from tracking.live.state import LiveKind, LiveState


@pytest.fixture
def vessels() -> LiveState:
    return LiveState(LiveKind.VESSEL)


@pytest.fixture
def now(live_redis: Redis) -> float:
    """The server's clock, which is the one that counts, in milliseconds; steps of 1/8 s keep sums exact."""
    seconds, microseconds = live_redis.time()
    return round(seconds + microseconds / 1e6, 3)
