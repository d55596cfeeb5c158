"""How fast a provider may be asked: waits between polls, what its headers demand, one connection to it at a time.

Headers and counts of failures enter; seconds leave. Nothing is requested or slept here. When a feed asks again is
decided here alone; its breaker decides whether it may, for all processes that run it, and lets a person stop it.
By default the breaker is ready for its probe before the back-off after five failures is over.

What providers do when they are pressed: adsb.lol and adsb.fi answer 429 to parallel and to reused connections, OpenSky
counts credits a day and says in X-Rate-Limit-Retry-After-Seconds when there are new ones.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Mapping
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import Protocol
from weakref import WeakKeyDictionary, WeakValueDictionary

LONGEST_BACKOFF_SECONDS = 600.0
LONGEST_DEMAND_SECONDS = 3600.0
SHORTEST_BACKOFF_SECONDS = 1.0
GROWTH, LASTING_GROWTH = 2.0, 8.0


class Clock(Protocol):
    """Time as tests can move it; seconds, `wall` since 1970."""

    def monotonic(self) -> float: ...
    def wall(self) -> float: ...
    async def sleep(self, seconds: float) -> None: ...


class SystemClock:
    """The machine's own."""

    def monotonic(self) -> float:
        return time.monotonic()

    def wall(self) -> float:
        return time.time()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


class Provider:
    """One host: at most one connection at a time, and none before `quiet_until` (monotonic seconds)."""

    def __init__(self) -> None:
        self.connection = asyncio.Lock()
        self.quiet_until = 0.0

    def be_quiet(self, until: float) -> None:
        """Keep every feed of this process away from the host until then."""
        self.quiet_until = max(self.quiet_until, until)


# By event loop, because a lock belongs to one; a provider lives as long as a feed or a request holds it.
_providers: WeakKeyDictionary[asyncio.AbstractEventLoop, WeakValueDictionary[str, Provider]] = WeakKeyDictionary()


def provider(host: str) -> Provider:
    """The provider that all feeds of this host share; to be called within an event loop."""
    hosts = _providers.setdefault(asyncio.get_running_loop(), WeakValueDictionary())
    return hosts.setdefault(host, Provider())


def backoff(failures: int, poll_seconds: float, *, lasting: bool) -> float:
    """Seconds to wait after that many failures in a row (from 1), at most ten minutes.

    Jitter takes up to half of it, so that a provider which comes back does not meet all its readers at once. `lasting`:
    a failure that time alone seldom cures (401, 403, 404), for which the wait grows eightfold each time.
    """
    growth = LASTING_GROWTH if lasting else GROWTH
    base = max(poll_seconds, SHORTEST_BACKOFF_SECONDS)
    longest = min(LONGEST_BACKOFF_SECONDS, base * growth ** min(failures, 20))
    return max(poll_seconds, longest * random.uniform(0.5, 1.0))


def demanded(headers: Mapping[str, str], now: float) -> float | None:
    """Seconds for which the other side asks to be left alone, at most an hour; None where it asks for nothing.

    Reads X-Rate-Limit-Retry-After-Seconds and Retry-After, seconds or a date (RFC 9110, 10.2.3). A date is compared
    with the answer's own Date where there is one: receivers without a clock chip boot in the past. `now`: seconds
    since 1970, UTC.
    """
    text = headers.get("x-rate-limit-retry-after-seconds") or headers.get("retry-after") or ""
    seconds = _number(text)
    if seconds is None:
        until = _date(text)
        seconds = None if until is None else until - (_date(headers.get("date", "")) or now)
    return None if seconds is None else min(max(seconds, 0.0), LONGEST_DEMAND_SECONDS)


def credits_spent(headers: Mapping[str, str]) -> bool:
    """The answer used the last credit of the day (OpenSky's X-Rate-Limit-Remaining)."""
    return _number(headers.get("x-rate-limit-remaining", "")) == 0


def _number(text: str) -> float | None:
    text = text.strip()
    return float(text[:12]) if text.isascii() and text.isdigit() else None


def _date(text: str) -> float | None:
    try:
        date = parsedate_to_datetime(text)
        return (date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        return None
