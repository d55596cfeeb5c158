"""Documents that a web server renews: aircraft.json of a receiver, OpenSky, community aggregators. Polled politely.

A URL enters; each new document leaves as one chunk, ended by a line feed. What the document means is not known here.
Good manners: conditional requests (ETag, If-Modified-Since), one connection to a host at a time, back-off with jitter
that starts anew only after a document came, Retry-After and credits respected, for all feeds of the host alike. A
circuit breaker guards each feed (see `pacing.py`): while it is open nothing is requested.
A failure is logged once per kind in a row and never ends the source: Status says how it stands.
"""

from __future__ import annotations

import base64
import logging
import re
from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass
from hashlib import blake2b
from typing import Literal

import httpx

from ingest.sources.common.contract import Chunk, LiveSource, SourceError
from ingest.sources.common.options import OAuth
from ingest.sources.common.urls import masked
from ingest.sources.web import pacing
from ingest.sources.web.exchange import ExchangeFailure, HttpAnswer, Limits, get, host_of, is_askable, status_failure
from ingest.sources.web.oauth import Tokens
from resilience.breaker.registry import FEED_PREFIX, Breaker, CircuitOpen, MemoryStore, get_breaker

logger = logging.getLogger(__name__)

SILENCE_SECONDS = 15.0
TOTAL_SILENCES = 4  # a slow document may take four times what silence may
MAX_BYTES = 32 * 1024 * 1024  # OpenSky's whole world is 2 MB
SHORTEST_REFUSAL_SECONDS = 1.0  # between two questions to a breaker that refuses
_HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_HEADER_VALUE = re.compile(r"[\x20-\x7e]*")


@dataclass
class PollStatus:
    """How a polled source stands, for people. Times are ms since 1970, None before the first; no secrets."""

    state: Literal["starting", "ok", "failing"] = "starting"
    last_error: str = ""
    last_success: int | None = None
    next_poll: int | None = None


class HttpSource(LiveSource):
    """`poll_seconds` pass between an answer and the next request. `once`: one request, then the end.

    `headers` may hold keys: only the URL's own host receives them, as with the URL's user and password and the token
    of `oauth`. `timeout`: seconds without a byte, 20 at most; `max_bytes`: of a document, packed or not. `breaker`:
    the feed's (`feed_breaker`), None for one of this source's own. Raises SourceError for what no request could be made
    of.
    """

    def __init__(
        self,
        url: str,
        *,
        poll_seconds: float = 5.0,
        once: bool = False,
        headers: Mapping[str, str] | None = None,
        oauth: OAuth | None = None,
        timeout: float = SILENCE_SECONDS,
        max_bytes: int = MAX_BYTES,
        clock: pacing.Clock | None = None,
        breaker: Breaker | None = None,
    ) -> None:
        self.origin = masked(url)[:200]
        self.status = PollStatus()
        given = _parsed(url)
        self._url = given.copy_with(userinfo=b"", fragment=None)
        self._secrets = _checked(headers or {}) | _basic(given)
        self._poll_seconds, self._once = poll_seconds, once
        self._limits = Limits(min(timeout, 20.0), min(timeout, 20.0) * TOTAL_SILENCES, max_bytes)
        self._clock = clock or pacing.SystemClock()
        self._breaker = breaker or Breaker(
            self.origin, MemoryStore(), clock=self._clock.wall, is_failure=_speaks_against_the_feed
        )
        self._tokens = Tokens(_parsed(oauth.token_url), oauth, self._clock) if oauth else None
        self._validators: dict[str, str] = {}
        self._seen = b""  # digest of the last document
        self._failures = 0
        self._kind = ""  # of the last failure in a row
        self._held = False  # by the breaker, since the last document

    async def chunks(self, offset: int = 0) -> AsyncGenerator[Chunk, None]:
        """One chunk for each document that is new. Raises SourceError with `once` only, where none was to be had."""
        if self._once:
            if document := await self._ask_once():
                yield self._chunk(document)
            return
        provider = pacing.provider(host_of(self._url))
        while True:
            if (quiet := provider.quiet_until - self._clock.monotonic()) > 0:
                await self._wait(quiet)
            try:
                answer = await self._ask()
            except CircuitOpen as refusal:
                seconds = self._refused(refusal)
            except ExchangeFailure as failure:
                seconds = self._failed(failure)
                if failure.kind == "status_429":
                    provider.be_quiet(self._clock.monotonic() + seconds)
            else:
                seconds = self._succeeded(answer)
                if document := self._news(answer):
                    yield self._chunk(document)
            await self._wait(seconds)

    async def _ask_once(self) -> bytes:
        try:
            return self._news(await self._ask())
        except (ExchangeFailure, CircuitOpen) as failure:
            raise SourceError(f"{self.origin}: {failure}") from failure

    async def _ask(self) -> HttpAnswer:
        """An answer with 200, 204 or 304; else raises Failure, and CircuitOpen where the breaker lets nothing pass.

        A token that is refused is replaced once: it may have been revoked.
        """
        async with self._breaker.aguard():
            answer = await self._get()
            if answer.status == 401 and self._tokens:
                self._tokens.forget()
                answer = await self._get()
            if answer.status not in (200, 204, 304):
                raise status_failure(answer)
            return answer

    async def _get(self) -> HttpAnswer:
        token = {"authorization": await self._tokens.header(self._limits)} if self._tokens else {}
        return await get(self._url, self._validators, self._secrets | token, self._limits)

    def _news(self, answer: HttpAnswer) -> bytes:
        """The document, or nothing where it is the last one again."""
        if answer.status != 200:
            return b""
        sent = {"If-None-Match": answer.headers.get("etag"), "If-Modified-Since": answer.headers.get("last-modified")}
        self._validators = {name: value for name, value in sent.items() if value and _HEADER_VALUE.fullmatch(value)}
        before, self._seen = self._seen, blake2b(answer.body, digest_size=16).digest()
        return answer.body if self._seen != before else b""

    def _succeeded(self, answer: HttpAnswer) -> float:
        """Seconds until the next request."""
        self._began_again()
        if not pacing.credits_spent(answer.headers):
            return self._poll_seconds
        seconds = pacing.demanded(answer.headers, self._clock.wall()) or 0.0
        if seconds > self._poll_seconds:
            logger.warning("%s: all credits are spent, pausing for %.0f s", self.origin, seconds)
        return max(self._poll_seconds, seconds)

    def _began_again(self) -> None:
        """It answers, whatever was before."""
        if self._kind:
            logger.info("%s answers again", self.origin)
        self._failures, self._kind, self._held = 0, "", False
        self.status = PollStatus("ok", last_success=self._now_ms())

    def _refused(self, refusal: CircuitOpen) -> float:
        """Seconds until the breaker is asked again. Why requests failed stays to be read, if it was that."""
        if self.status.state != "failing":
            self.status.state, self.status.last_error = "failing", str(refusal)
        if not self._held:
            logger.warning("%s: not asked: %s", self.origin, refusal)
        self._held = True
        return max(refusal.retry_after_seconds, SHORTEST_REFUSAL_SECONDS)

    def _failed(self, failure: ExchangeFailure) -> float:
        """Seconds until the next request."""
        self._failures += 1
        seconds = pacing.demanded(failure.headers, self._clock.wall())
        if seconds is None:
            seconds = pacing.backoff(self._failures, self._poll_seconds, lasting=failure.lasting)
        seconds = max(seconds, self._poll_seconds)
        if failure.kind != self._kind:
            logger.warning("%s: %s; asking again in %.0f s", self.origin, failure, seconds)
        self._kind = failure.kind
        self.status.state, self.status.last_error = "failing", str(failure)[:300]
        return seconds

    async def _wait(self, seconds: float) -> None:
        self.status.next_poll = self._now_ms() + round(seconds * 1000)
        await self._clock.sleep(seconds)

    def _chunk(self, document: bytes) -> Chunk:
        return Chunk(document + b"\n", self._now_ms(), whole=True)

    def _now_ms(self) -> int:
        return round(self._clock.wall() * 1000)


def feed_breaker(label: str) -> Breaker:
    """The breaker that all processes share for polling the feed `label`; characters that no URL may have become dashes.

    Every Failure speaks against the feed: no answer, 5xx and 429, but also what is no document.
    """
    return get_breaker(FEED_PREFIX + re.sub(r"[^A-Za-z0-9._-]+", "-", label), _speaks_against_the_feed)


def _speaks_against_the_feed(error: BaseException) -> bool:
    return isinstance(error, ExchangeFailure)


def _parsed(url: str) -> httpx.URL:
    """The URL; raises SourceError unless it can be asked."""
    try:
        parsed = httpx.URL(url)
    except httpx.InvalidURL as error:
        raise SourceError(f"{masked(url)}: {error}") from error
    if not is_askable(parsed):
        raise SourceError(
            f"{masked(url)}: a host is needed, and a port that there is, as in https://host:8080/data.json"
        )
    return parsed


def _basic(url: httpx.URL) -> dict[str, str]:
    """User and password of the URL as the header they are sent in."""
    if not url.userinfo:
        return {}
    return {"authorization": "Basic " + base64.b64encode(f"{url.username}:{url.password}".encode()).decode()}


def _checked(headers: Mapping[str, str]) -> dict[str, str]:
    """The headers with names in lower case; raises SourceError, without the value, where one could not be sent."""
    for name, value in headers.items():
        if not _HEADER_NAME.fullmatch(name) or not _HEADER_VALUE.fullmatch(value):
            raise SourceError(f"the header {name!r} holds characters that no header may")
    return {name.lower(): value for name, value in headers.items()}
