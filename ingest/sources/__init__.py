"""Where bytes come from. Each source yields chunks of bytes; what they mean is not known here.

    file://, a path, `-` (stdin)    file.py         a recording, plain or packed (packing)
    tcp://host:port                 tcp.py          a client that reconnects
    tcp-listen://address:port       tcp_listen.py   receivers connect to us
    udp://address:port              udp.py          datagrams
    aisstream://key@host            aisstream.py    a websocket that reconnects
    http://host/path, https://      http.py         documents, polled (exchange, addresses, pacing, oauth)
    sim://?ships=60                 sim.py          simulated traffic

The contract of all of them: `chunks()` raises SourceError for what no waiting cures, with a message that names the fix,
and waits out what waiting cures, saying so; leaving it (aclose) releases everything; memory is bounded whatever the
other side sends.
"""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, Mapping
from typing import Any, NamedTuple, Protocol
from urllib.parse import urlsplit


class SourceError(Exception):
    """The source cannot be used as it was given; the message says what would help."""


class Chunk(NamedTuple):
    """Bytes and when they arrived (ms since 1970; None: the arrival says nothing, as with recordings).

    `broken`: the stream was cut in front of these bytes, so the beginning of a line that is pending is lost. `whole`:
    the bytes are a document, and what they begin ends with them.
    """

    data: bytes
    at: int | None
    broken: bool = False
    whole: bool = False


class Source(Protocol):
    """One place that bytes come from. `recorded`: its times are of the past unless the user says otherwise."""

    recorded: bool
    origin: str

    def chunks(self, offset: int = 0) -> AsyncGenerator[Chunk, None]:
        """The bytes from `offset` on (recordings; live sources begin now)."""

    def head(self) -> bytes:
        """The first bytes of a recording that can be read twice, else none. Raises SourceError as `chunks` does."""

    def progress(self) -> tuple[int, int] | None:
        """Bytes read and bytes there are, None where nobody can know."""

    def dropped(self) -> int:
        """Datagrams that came faster than they were taken."""


class LiveSource:
    """What sources have in common that begin now and have no end, and lose nothing that was not lost before them."""

    recorded = False

    def head(self) -> bytes:
        """What is over cannot be read again."""
        return b""

    def progress(self) -> tuple[int, int] | None:
        """There is no end to compare with."""
        return None

    def dropped(self) -> int:
        """Nothing; who can lose something says how much."""
        return 0


_PACKED = re.compile(r"(\.tar)?\.(gz|zip|zst|xz|bz2|tar)$|\.t(gz|xz|bz2)$")
_SCHEMES = ("file", "tcp", "tcp-listen", "udp", "http", "https", "aisstream", "sim")


def open_source(
    url: str,
    *,
    once: bool = False,
    poll_seconds: float = 5.0,
    options: Mapping[str, Any] | None = None,
    label: str | None = None,
    guarded: bool = False,
) -> Source:
    """The source that `url` names; nothing is opened yet. Raises SourceError for an unknown or incomplete one.

    `once`: end when the other side hangs up, or after one document, instead of connecting again. `poll_seconds`:
    between two requests of http(s). `options`: see `ingest/sources/options.py`. `label`: whose circuit breaker guards
    requests of http(s), shared by all processes; None: one that this source has alone.
    `guarded`: the address was given by somebody who edits feeds, not by one who may run commands on this host; http(s)
    and aisstream are guarded for everybody.
    """
    from ingest.sources.aisstream import AisStreamSource
    from ingest.sources.file import FileSource
    from ingest.sources.http import HttpSource, feed_breaker
    from ingest.sources.options import BadOptions, parse
    from ingest.sources.sim import SimulatorSource
    from ingest.sources.tcp import TcpSource
    from ingest.sources.tcp_listen import TcpListenSource
    from ingest.sources.udp import UdpSource

    scheme, colon, _ = url.partition("://")
    if not colon:
        return FileSource(url)
    if scheme not in _SCHEMES:
        raise SourceError(f"unknown scheme {scheme!r}: use a path, - or {', '.join(f'{s}://' for s in _SCHEMES)}")
    if scheme == "file":
        return FileSource(urlsplit(url).path)
    if scheme == "aisstream":
        return AisStreamSource(url, once=once)
    if scheme == "sim":
        return SimulatorSource(url)
    try:
        given = parse(options or {})
    except BadOptions as error:
        raise SourceError(str(error)) from error
    if scheme in ("http", "https"):
        breaker = None if label is None else feed_breaker(label)
        return HttpSource(
            url, poll_seconds=poll_seconds, once=once, headers=given.headers, oauth=given.oauth, breaker=breaker
        )
    host, port = _host_and_port(url)
    if scheme == "tcp":
        return TcpSource(host, port, once=once, guarded=guarded)
    return TcpListenSource(host, port) if scheme == "tcp-listen" else UdpSource(host, port, given)


def label_of(url: str) -> str:
    """A source label made of a path or URL: its last part, letters, digits, dots, dashes, at most 32 characters."""
    parts = urlsplit(url)
    name = (
        parts.path.rstrip("/").rpartition("/")[2] if parts.scheme in ("", "file") else f"{parts.scheme}-{parts.netloc}"
    )
    name = "stdin" if url == "-" else _PACKED.sub("", name).rpartition("@")[2]
    return re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip("-")[:32] or "unnamed"


def _host_and_port(url: str) -> tuple[str, int]:
    """Host and port of a URL, both required."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise SourceError(f"{url}: {error}") from error
    if not parts.hostname or not port:
        raise SourceError(f"{url}: a host and a port are needed, as in {parts.scheme}://127.0.0.1:10110")
    return parts.hostname, port
