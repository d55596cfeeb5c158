"""One HTTP exchange with a host that is not trusted: everything about it is bounded.

A URL enters; status, headers and, for 200, the unpacked body leave, or a Failure that says what went wrong without
telling secrets. The host is resolved once and the connection goes to the address that was checked, with the name kept
for TLS and the Host header. Redirects are followed three times, each target checked again. Polling is http.py's.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import logging
import socket
import ssl
import zlib
from collections.abc import AsyncIterator, Iterator, Mapping
from http import HTTPStatus
from typing import NamedTuple

import httpx

from ingest.sources.common.addresses import AddressRefused, resolve
from ingest.sources.common.urls import masked
from ingest.sources.web.pacing import provider

MAX_REDIRECTS = 3
MAX_ADDRESSES = 3
# Of unpacked to packed bytes, beyond the first megabyte: no document compresses like that, only bombs do.
MAX_RATIO = 200
FREE_BYTES = 1024 * 1024
CONNECT_SECONDS = 5.0
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
# The provider may see who asks. A connection is used once: reused ones are answered with 429 by some.
_HEADERS = {"User-Agent": "Tracking (feed reader)", "Accept": "*/*", "Accept-Encoding": "gzip", "Connection": "close"}

for _name in ("httpx", "httpcore"):  # They log whole URLs at INFO, with the keys that some providers want in them.
    logging.getLogger(_name).setLevel(logging.WARNING)


class ExchangeFailure(Exception):
    """No document came. `kind` is a stable code; the text has no secrets.

    `lasting`: time alone seldom cures it. `headers`: those of the answer, lower case, empty where there was none.
    """

    def __init__(
        self, kind: str, text: str, *, lasting: bool = False, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(text)
        self.kind, self.lasting, self.headers = kind, lasting, headers or {}


class Limits(NamedTuple):
    """`silence`: seconds without a byte; `total`: seconds for one answer; `bytes`: of a body, packed and unpacked."""

    silence: float
    total: float
    bytes: int


class HttpAnswer(NamedTuple):
    """What came back. `body` is unpacked, and empty unless the status is 200."""

    status: int
    headers: httpx.Headers
    body: bytes


def is_askable(url: httpx.URL) -> bool:
    """The URL is http(s), with a host and, if any, a port that there is."""
    return url.scheme in ("http", "https") and bool(url.raw_host) and (url.port is None or 0 < url.port < 65536)


def host_of(url: httpx.URL) -> str:
    """The host as it is resolved, ASCII; httpx's own `host` turns it back to Unicode and fails where it cannot."""
    return url.raw_host.decode("ascii")


async def get(url: httpx.URL, headers: Mapping[str, str], secrets: Mapping[str, str], limits: Limits) -> HttpAnswer:
    """GET `url`, which has no user information, following redirects. Raises Failure; answers of any status return.

    `secrets` are headers that only the URL's own scheme, host and port receive; a redirect elsewhere loses them.
    """
    target, at_home = url, True
    for _ in range(MAX_REDIRECTS + 1):
        at_home = at_home and _origin(target) == _origin(url)
        answer = await _ask("GET", target, {**headers, **(secrets if at_home else {})}, limits)
        if answer.status not in _REDIRECTS:
            return answer
        target = _redirected(target, answer.headers.get("location", ""))
    raise ExchangeFailure(
        "redirects", f"more than {MAX_REDIRECTS} redirects, the last to {masked(str(target))}", lasting=True
    )


@contextlib.asynccontextmanager
async def follow(
    url: httpx.URL, headers: Mapping[str, str], secrets: Mapping[str, str], limits: Limits
) -> AsyncIterator[httpx.Response]:
    """GET `url` as `get` does, for an answer with 200 whose body has no end; it is read, unpacked, by the caller.

    Raises Failure, also for what goes wrong while it is read.
    """
    target, at_home = url, True
    for _ in range(MAX_REDIRECTS + 1):
        at_home = at_home and _origin(target) == _origin(url)
        request = functools.partial(_request, "GET", target, {**headers, **(secrets if at_home else {})}, None)
        with _failures(target, limits):
            async with _opened(request, target, limits) as response:
                if response.status_code == 200:
                    yield response
                    return
        if response.status_code not in _REDIRECTS:
            raise status_failure(HttpAnswer(response.status_code, response.headers, b""))
        target = _redirected(target, response.headers.get("location", ""))
    raise ExchangeFailure(
        "redirects", f"more than {MAX_REDIRECTS} redirects, the last to {masked(str(target))}", lasting=True
    )


async def post(url: httpx.URL, form: Mapping[str, str], limits: Limits) -> HttpAnswer:
    """POST a form. No redirect is followed: what is in the form is for this host. Raises Failure."""
    return await _ask("POST", url, {}, limits, form)


def status_failure(answer: HttpAnswer) -> ExchangeFailure:
    """The failure that an answer without a document is."""
    phrase = HTTPStatus(answer.status).phrase if answer.status in HTTPStatus._value2member_map_ else "unknown"
    lasting = answer.status in (401, 403, 404, 410)
    return ExchangeFailure(
        f"status_{answer.status}", f"answered {answer.status} {phrase}", lasting=lasting, headers=answer.headers
    )


async def _ask(
    method: str, url: httpx.URL, headers: Mapping[str, str], limits: Limits, form: Mapping[str, str] | None = None
) -> HttpAnswer:
    """One request, alone with its host; every way in which it can go wrong becomes a Failure."""
    with _failures(url, limits):
        host = provider(host_of(url))  # held for as long as its lock: providers that nobody holds are forgotten
        async with host.connection, asyncio.timeout(limits.total):
            request = functools.partial(_request, method, url, headers, form)
            async with _opened(request, url, limits) as response:
                body = await _body(response, limits.bytes) if response.status_code == 200 else b""
                return HttpAnswer(response.status_code, response.headers, body)


@contextlib.contextmanager
def _failures(url: httpx.URL, limits: Limits) -> Iterator[None]:
    """Every way in which an exchange can go wrong becomes a Failure."""
    try:
        yield
    except (TimeoutError, httpx.TimeoutException) as error:
        raise ExchangeFailure(
            "timeout", f"no answer in time ({limits.silence:g} s, {limits.total:g} s in all)"
        ) from error
    except AddressRefused as error:
        raise ExchangeFailure("address", str(error), lasting=True) from error
    except (socket.gaierror, UnicodeError) as error:
        raise ExchangeFailure("dns", f"the name {host_of(url)} has no address: {error}") from error
    except (httpx.ConnectError, OSError) as error:
        tls = _cause(error, ssl.SSLError)
        raise ExchangeFailure(
            "tls" if tls else "connect", f"cannot connect: {tls or _cause(error, OSError) or error}"
        ) from error
    except (httpx.HTTPError, zlib.error) as error:
        raise ExchangeFailure("protocol", f"the answer is damaged: {error or type(error).__name__}") from error


@contextlib.asynccontextmanager
async def _opened(
    request: functools.partial[httpx.Request], url: httpx.URL, limits: Limits
) -> AsyncIterator[httpx.Response]:
    """The answer of the first of the checked addresses that can be connected to; its body is still to be read."""
    port = url.port or (443 if url.scheme == "https" else 80)
    addresses = await resolve(host_of(url), port)
    timeout = httpx.Timeout(limits.silence, connect=min(CONNECT_SECONDS, limits.silence))
    # Nothing of the environment: a proxy would resolve the name again, and .netrc would add credentials.
    async with httpx.AsyncClient(verify=_tls(), trust_env=False) as client:
        for address in addresses[:MAX_ADDRESSES]:
            try:
                response = await client.send(request(address, timeout), stream=True, follow_redirects=False)
            except (httpx.ConnectError, httpx.ConnectTimeout):
                if address == addresses[:MAX_ADDRESSES][-1]:
                    raise
                continue
            try:
                yield response
                return
            finally:
                await response.aclose()
    raise AssertionError("resolve() returns at least one address")


def _request(
    method: str,
    url: httpx.URL,
    headers: Mapping[str, str],
    form: Mapping[str, str] | None,
    address: str,
    timeout: httpx.Timeout,
) -> httpx.Request:
    """The request to the address, under the name of the host."""
    all_headers = httpx.Headers(_HEADERS)
    all_headers.update({**headers, "Host": url.netloc.decode("ascii")})
    return httpx.Request(
        method,
        url.copy_with(host=address),
        headers=all_headers,
        data=form,
        extensions={"sni_hostname": host_of(url), "timeout": timeout.as_dict()},
    )


@functools.cache
def _tls() -> ssl.SSLContext:
    """Trust in certifi's roots, or in SSL_CERT_FILE or SSL_CERT_DIR; loading them takes 20 ms, so once a process."""
    return httpx.create_ssl_context()


async def _body(response: httpx.Response, limit: int) -> bytes:
    """The whole body, unpacked here: httpx's own decoding would let 64 kB of gzip grow to 64 MB in one step."""
    too_large = ExchangeFailure("too_large", f"the document is larger than {limit} bytes")
    packing = response.headers.get("content-encoding", "").strip().lower()
    if packing not in ("", "identity", "gzip", "x-gzip"):
        raise ExchangeFailure("encoding", f"the document is packed as {packing[:20]!r}; gzip was asked for")
    declared = response.headers.get("content-length", "")
    if declared.isdigit() and int(declared[:20]) > limit:
        raise too_large
    gzip = zlib.decompressobj(wbits=31) if packing in ("gzip", "x-gzip") else None
    body, received = bytearray(), 0
    async for data in response.aiter_raw():
        received += len(data)
        body += gzip.decompress(data, limit - len(body) + 1) if gzip else data
        if received > limit or len(body) > limit:
            raise too_large
        if len(body) > FREE_BYTES and len(body) > MAX_RATIO * received:
            raise ExchangeFailure(
                "too_dense", f"the document unpacks to more than {MAX_RATIO} times its size", lasting=True
            )
    if gzip and received and (not gzip.eof or gzip.unused_data):
        raise ExchangeFailure("encoding", "the gzip stream does not end where the document does")
    return bytes(body)


def _redirected(url: httpx.URL, location: str) -> httpx.URL:
    """Where a redirect leads; user information in it is dropped. Raises Failure for what is no http(s) address."""
    try:
        target = url.join(location).copy_with(userinfo=b"", fragment=None)
    except (httpx.InvalidURL, ValueError) as error:
        raise ExchangeFailure("redirect", "redirected to what is no address", lasting=True) from error
    if not location or not is_askable(target):
        raise ExchangeFailure(
            "redirect", f"redirected to {masked(location)[:100]!r}, which is no http(s) address", lasting=True
        )
    return target


def _origin(url: httpx.URL) -> tuple[str, str, int | None]:
    return url.scheme, host_of(url), url.port


def _cause(error: BaseException | None, kind: type[BaseException]) -> BaseException | None:
    """The deepest of an error's causes that is of the kind: httpx and what is below it wrap what happened."""
    found = None
    while error is not None:
        found = error if isinstance(error, kind) else found
        error = error.__cause__ or error.__context__
    return found
