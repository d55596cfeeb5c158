"""OAuth2 client credentials, as OpenSky wants them: a client id and secret become a bearer token for a while.

Credentials enter; the value of an Authorization header leaves. The token is kept until shortly before it expires.
Source: RFC 6749, section 4.4.
"""

from __future__ import annotations

import re

import httpx
import msgspec

from ingest.sources.common.options import OAuth
from ingest.sources.web.exchange import ExchangeFailure, Limits, host_of, post
from ingest.sources.web.pacing import Clock

MAX_TOKEN_BYTES = 64 * 1024
EARLY_SECONDS = 60.0
_TOKEN = re.compile(r"[\x21-\x7e]+")


class _Granted(msgspec.Struct):
    """The fields of the token's document that matter; `expires_in` in seconds, OpenSky's half hour where missing."""

    access_token: str
    expires_in: float = 1800.0


class Tokens:
    """The token of one client, fetched from `url` (that of `oauth`) when it is needed."""

    def __init__(self, url: httpx.URL, oauth: OAuth, clock: Clock) -> None:
        self._url, self._oauth, self._clock = url, oauth, clock
        self._header, self._until = "", 0.0

    async def header(self, limits: Limits) -> str:
        """The value of the Authorization header. Raises Failure where no token is to be had."""
        if not self._header or self._clock.monotonic() >= self._until:
            granted = await self._fetch(limits)
            # A token that lives for less than two minutes is used for the first half of its life.
            life = max(granted.expires_in - EARLY_SECONDS, granted.expires_in / 2)
            self._header, self._until = f"Bearer {granted.access_token}", self._clock.monotonic() + life
        return self._header

    def forget(self) -> None:
        """The token was refused: the next request needs a new one."""
        self._header = ""

    async def _fetch(self, limits: Limits) -> _Granted:
        form = {
            "grant_type": "client_credentials",
            "client_id": self._oauth.client_id,
            "client_secret": self._oauth.client_secret,
        }
        try:
            answer = await post(self._url, form, limits._replace(bytes=min(limits.bytes, MAX_TOKEN_BYTES)))
        except ExchangeFailure as failure:
            text = f"no token from {host_of(self._url)}: {failure}"
            raise ExchangeFailure(f"token_{failure.kind}", text, lasting=failure.lasting) from failure
        if answer.status != 200:
            refused = 400 <= answer.status < 500 and answer.status != 429
            text = f"{host_of(self._url)} gives no token: answered {answer.status}"
            text += "; check client_id and client_secret" if refused else ""
            raise ExchangeFailure("token_refused", text, lasting=refused, headers=answer.headers)
        return _granted(answer.body)


def _granted(body: bytes) -> _Granted:
    try:
        granted = msgspec.json.decode(body, type=_Granted, strict=False)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise ExchangeFailure("token_unusable", "the token server's answer is no token", lasting=True) from None
    if not _TOKEN.fullmatch(granted.access_token):
        raise ExchangeFailure("token_unusable", "the token is not one that fits into a header", lasting=True)
    return granted
