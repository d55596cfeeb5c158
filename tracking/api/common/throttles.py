"""Rates of the API, kept in the default cache.

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
        try:
            allowed = super().allow_request(request, view)
        except (RedisError, ConnectionInterrupted) as error:
            if not _suspended.is_set():
                _suspended.set()
                logger.warning("requests are not throttled, the cache does not answer: %s", error)
            return True
        # Without a key nothing was asked of the cache, so nothing is known of it.
        if _suspended.is_set() and getattr(self, "key", None) is not None:
            _suspended.clear()
            logger.warning("requests are throttled again")
        return allowed


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
