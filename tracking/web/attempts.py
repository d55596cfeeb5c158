"""How often somebody may try to get in: passwords by user and address, keys of the API by address.

A log-in passes `LimitedBackend`, whatever form it came by, and is counted before its password is hashed, so neither
parallel requests nor refused ones cost more than a look. A request with an Authorization header passes `AttemptLimits`,
which counts the answers 401. Too many are answered 429 with Retry-After, without asking anybody.

The counts are of this process: they hold while every server is away, and there are a few processes. Where a user has
logged in from an address within KNOWN_SECONDS, strangers at other addresses cannot use up the attempts there.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from hashlib import sha256
from typing import Any, NamedTuple

from django.contrib.auth.backends import ModelBackend
from django.contrib.auth.models import AbstractBaseUser
from django.core.cache import caches
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.http.response import HttpResponseBase
from rest_framework.exceptions import Throttled

from tracking.web.networks import client_address, holder

KNOWN_SECONDS = 30 * 86_400


class Limit(NamedTuple):
    """So many attempts in so many seconds."""

    number: int
    seconds: int


OF_USER_AT_ADDRESS = Limit(5, 300)
OF_ADDRESS = Limit(20, 300)
OF_USER = Limit(50, 3600)
OF_KEYS = Limit(60, 60)


class TooManyAttempts(Throttled):
    """Refused without a look at the password; `wait` is in seconds."""

    def __init__(self, wait: int) -> None:
        super().__init__(wait, detail="Too many failed attempts.")


class Count:
    """Attempts of one kind by one party, in windows of the limit's seconds."""

    def __init__(self, limit: Limit, *party: str) -> None:
        self._limit = limit
        self._ends_at = (time.time() // limit.seconds + 1) * limit.seconds
        self._key = sha256(repr((limit, party, self._ends_at)).encode("utf-8", "surrogatepass")).hexdigest()

    @property
    def is_spent(self) -> bool:
        """Whether there is no further attempt in this window."""
        return int(caches["attempts"].get(self._key, 0)) >= self._limit.number

    def refusal(self) -> TooManyAttempts:
        """What to raise where it is spent."""
        return TooManyAttempts(max(1, math.ceil(self._ends_at - time.time())))

    def add(self, number: int = 1) -> int:
        """Attempts so far, with these."""
        caches["attempts"].add(self._key, 0, self._limit.seconds)
        try:
            return int(caches["attempts"].incr(self._key, number))
        except ValueError:  # it was removed in between: a count from before is no reason to refuse
            return number

    def take(self) -> None:
        """Count one attempt. Raises TooManyAttempts."""
        if self.add() > self._limit.number:
            self.add(-1)
            raise self.refusal()


class LimitedBackend(ModelBackend):
    """Django's users and passwords, so many attempts at a time."""

    def authenticate(
        self, request: HttpRequest | None, username: str | None = None, password: str | None = None, **kwargs: Any
    ) -> AbstractBaseUser | None:
        """The user, or None. Raises TooManyAttempts."""
        if request is None or username is None:
            return super().authenticate(request, username, password, **kwargs)
        address = holder(client_address(request))
        counts = _taken(username.strip().casefold(), address)
        user = super().authenticate(request, username, password, **kwargs)
        if user is not None:
            for count in counts:
                count.add(-1)
            caches["default"].set(_known(username.strip().casefold(), address), 1, KNOWN_SECONDS)
        return user


def _taken(user: str, address: str) -> list[Count]:
    """The counts in which an attempt was counted, all or none. Raises TooManyAttempts."""
    counts = [Count(OF_ADDRESS, address), Count(OF_USER_AT_ADDRESS, user, address), Count(OF_USER, user)]
    if counts[-1].is_spent and caches["default"].get(_known(user, address)):
        counts.pop()
    for number, count in enumerate(counts):
        try:
            count.take()
        except TooManyAttempts:
            for taken in counts[:number]:
                taken.add(-1)
            raise
    return counts


def _known(user: str, address: str) -> str:
    return "known:" + sha256(repr((user, address)).encode("utf-8", "surrogatepass")).hexdigest()


class AttemptLimits:
    """Middleware: wrong keys by address, and 429 for what LimitedBackend refuses."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """The response, or 429."""
        if "Authorization" not in request.headers:
            return self._get_response(request)
        count = Count(OF_KEYS, holder(client_address(request)))
        if count.is_spent:
            refusal = count.refusal()
            return _too_many(refusal, JsonResponse({"detail": str(refusal.detail)}))
        response = self._get_response(request)
        if response.status_code == 401:
            count.add()
        return response

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        """429 where a view let TooManyAttempts out, as the log-in page does."""
        if not isinstance(exception, TooManyAttempts):
            return None
        return _too_many(exception, HttpResponse(str(exception.detail), content_type="text/plain; charset=utf-8"))


def _too_many(refusal: TooManyAttempts, response: HttpResponse) -> HttpResponse:
    response.status_code = 429
    response.headers["Retry-After"] = str(refusal.wait)
    return response
