"""Rates of the API, counted in the default cache.

A rate is a number of requests a period. Two counters are kept for each party, of this period and of the one before,
whose requests count as if they had come evenly, so that a burst at the turn of two periods counts too. A request costs
the same however many there were: Django REST framework's own list of all their times costs what it is long.

A cache that is away suspends throttling instead of the API: refusing everybody would make the protection the outage.
It is said once in the log when that begins and once when it ends.
"""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING

from django_redis.exceptions import ConnectionInterrupted
from redis import RedisError
from rest_framework.request import Request
from rest_framework.throttling import AnonRateThrottle, SimpleRateThrottle, UserRateThrottle

from tracking.web.networks import client_address, holder

if TYPE_CHECKING:  # rest_framework.views imports this module through the settings
    from rest_framework.views import APIView

logger = logging.getLogger(__name__)

_suspended = threading.Event()


class SuspendedWithoutCache(SimpleRateThrottle):
    """A rate that lets everything pass while its cache does not answer."""

    def get_ident(self, request: Request) -> str:
        """Whose requests are counted together."""
        return holder(client_address(request))

    def allow_request(self, request: Request, view: APIView) -> bool:
        """Whether the request is within its rate, or its rate cannot be known."""
        self.key = self.get_cache_key(request, view) if self.rate is not None else None
        if self.key is None:
            return True
        try:
            allowed = self._count(self.key)
        except (RedisError, ConnectionInterrupted) as error:
            if not _suspended.is_set():
                _suspended.set()
                logger.warning("requests are not throttled, the cache does not answer: %s", error)
            return True
        if _suspended.is_set():
            _suspended.clear()
            logger.warning("requests are throttled again")
        return allowed

    def _count(self, key: str) -> bool:
        """Count a request that is within the rate; whether it is. Raises the errors of the cache."""
        period, self._passed = divmod(self.timer(), self.duration)
        now, earlier = (f"{key}_{int(period) - back}" for back in (0, 1))
        counts = self.cache.get_many([now, earlier])
        self._here, self._before = counts.get(now, 0), counts.get(earlier, 0)
        if self._here + self._before * (1 - self._passed / self.duration) >= self.num_requests:
            return False
        try:
            if self._here or not self.cache.add(now, 1, 2 * self.duration):
                self.cache.incr(now)
        except ValueError:  # the cache was emptied just now
            self.cache.add(now, 1, 2 * self.duration)
        return True

    def wait(self) -> float:
        """Seconds until one more request is within the rate, after one that was not."""
        if self._here < self.num_requests:  # when enough of the period before has been left behind
            return self.duration * (1 - (self.num_requests - self._here) / self._before) - self._passed
        return self.duration * (2 - self.num_requests / self._here) - self._passed


class AnonymousRate(SuspendedWithoutCache, AnonRateThrottle):
    """Requests without a user, by address: API_RATE_ANONYMOUS."""


class UserRate(SuspendedWithoutCache, UserRateThrottle):
    """Requests of a user: API_RATE_USER. Anonymous ones have their own rate."""

    def get_cache_key(self, request: Request, view: APIView) -> str | None:
        """The user's key; None, which is not throttled here, without one."""
        return super().get_cache_key(request, view) if request.user and request.user.is_authenticated else None


class ChangesRate(SuspendedWithoutCache):
    """Polls of `changes`, by address, whoever asks: API_RATE_CHANGES. A page on a map asks every second or two."""

    scope = "changes"

    def get_cache_key(self, request: Request, view: APIView) -> str:
        """The address."""
        return str(self.cache_format % {"scope": self.scope, "ident": self.get_ident(request)})
