"""Where bytes come from. Each source yields chunks of bytes; what they mean is not known here.

    file://, a path, `-` (stdin)    file.py                 a recording, plain or packed (packing)
    tcp://host:port                 sockets/tcp.py          a client that reconnects
    tcp-listen://address:port       sockets/tcp_listen.py   receivers connect to us
    udp://address:port              sockets/udp.py          datagrams
    aisstream://key@host            web/aisstream.py        a websocket that reconnects
    http://host/path, https://      web/http.py             documents, polled
    stream+http://, stream+https:// web/stream.py           one answer without an end, in lines or server-sent events
    sim://?ships=60                 sim.py                  simulated traffic

Their contract is `common/contract.py`; what they share stands beside it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from ingest.sources.common.contract import Source, SourceError

_PACKED = re.compile(r"(\.tar)?\.(gz|zip|zst|xz|bz2|tar)$|\.t(gz|xz|bz2)$")
_SCHEMES = ("file", "tcp", "tcp-listen", "udp", "http", "https", "stream+http", "stream+https", "aisstream", "sim")


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
    between two requests of http(s). `options`: see `ingest/sources/common/options.py`. `label`: whose circuit breaker
    guards requests of http(s), shared by all processes; None: one that this source has alone.
    `guarded`: the address was given by somebody who edits feeds, not by one who may run commands on this host; http(s)
    and aisstream are guarded for everybody.
    """
    from ingest.sources.common.options import BadOptions, parse
    from ingest.sources.file import FileSource
    from ingest.sources.sim import SimulatorSource
    from ingest.sources.sockets.tcp import TcpSource
    from ingest.sources.sockets.tcp_listen import TcpListenSource
    from ingest.sources.sockets.udp import UdpSource
    from ingest.sources.web.aisstream import AisStreamSource
    from ingest.sources.web.http import HttpSource, feed_breaker
    from ingest.sources.web.stream import STREAM, HttpStreamSource

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
    if scheme in ("http", "https", "stream+http", "stream+https"):
        breaker = None if label is None else feed_breaker(label)
        if scheme.startswith(STREAM):
            return HttpStreamSource(url, once=once, headers=given.headers, oauth=given.oauth, breaker=breaker)
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
