"""What to type at a receiver, so that a feed hears it: lines to copy, for the programs that people run there.

A feed, and the name under which its user reaches this site, enter; lines by program leave. Where we connect, they make
the receiver listen; where receivers connect or send, they say where to. Nothing is looked up.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple
from urllib.parse import urlsplit

from ingest.models import Feed, Format

_ANY = ("0.0.0.0", "::")


class SenderLines(NamedTuple):
    """A program, or what it is for, and the line."""

    program: str
    line: str


# By format: {host}, {port} and {push} are filled in.
_LISTENING: Mapping[str, tuple[SenderLines, ...]] = {
    Format.NMEA: (
        SenderLines("AIS-catcher", "AIS-catcher -S {port}"),
        SenderLines("rtl_ais, with socat", "rtl_ais -n | socat -u - TCP-LISTEN:{port},reuseaddr,fork"),
        SenderLines(
            "a receiver at a serial port", "socat -u FILE:/dev/ttyUSB0,b38400,raw TCP-LISTEN:{port},reuseaddr,fork"
        ),
    ),
    Format.BEAST: (SenderLines("readsb", "readsb --device-type rtlsdr --net --net-bo-port {port}"),),
    Format.SBS: (SenderLines("readsb", "readsb --device-type rtlsdr --net --net-sbs-port {port}"),),
    Format.AVR: (SenderLines("readsb", "readsb --device-type rtlsdr --net --net-ro-port {port}"),),
}
_CONNECTING: Mapping[str, tuple[SenderLines, ...]] = {
    Format.NMEA: (
        SenderLines("AIS-catcher", "AIS-catcher -P {host} {port}"),
        SenderLines("rtl_ais, with socat", "rtl_ais -n | socat -u - TCP:{host}:{port}"),
        SenderLines("a receiver at a serial port", "socat -u FILE:/dev/ttyUSB0,b38400,raw TCP:{host}:{port},forever"),
    ),
    Format.BEAST: (
        SenderLines("readsb", "readsb --net --net-connector={host},{port},beast_out"),
        SenderLines("dump1090, with socat", "socat -u TCP:127.0.0.1:30005,forever TCP:{host}:{port},forever"),
    ),
    Format.SBS: (
        SenderLines("readsb", "readsb --net --net-connector={host},{port},sbs_out"),
        SenderLines("dump1090, with socat", "socat -u TCP:127.0.0.1:30003,forever TCP:{host}:{port},forever"),
    ),
    Format.AVR: (
        SenderLines("readsb", "readsb --net --net-connector={host},{port},raw_out"),
        SenderLines("dump1090, with socat", "socat -u TCP:127.0.0.1:30002,forever TCP:{host}:{port},forever"),
    ),
}
_DATAGRAMS: Mapping[str, tuple[SenderLines, ...]] = {
    Format.NMEA: (
        SenderLines("AIS-catcher", "AIS-catcher -u {host} {port}"),
        SenderLines("rtl_ais", "rtl_ais -h {host} -P {port}"),
        SenderLines("a receiver at a serial port", "socat -u FILE:/dev/ttyUSB0,b38400,raw UDP:{host}:{port}"),
    ),
    Format.SBS: (SenderLines("dump1090, with socat", "socat -u TCP:127.0.0.1:30003,forever UDP:{host}:{port}"),),
}
_POLLED: Mapping[str, tuple[SenderLines, ...]] = {
    Format.READSB: (
        SenderLines("readsb, behind a web server", "readsb --device-type rtlsdr --write-json /run/readsb"),
    ),
}
_POSTING = (
    SenderLines("curl", "curl -H 'Authorization: Bearer KEY' -H 'Content-Type: text/plain' --data-binary @FILE {push}"),
)
_POSTING_AIS = (SenderLines("AIS-catcher", "AIS-catcher -H {push} USERPWD receiver:KEY GZIP on INTERVAL 5"), *_POSTING)
_BY_SCHEME = {"tcp": _LISTENING, "tcp-listen": _CONNECTING, "udp": _DATAGRAMS, "http": _POLLED, "https": _POLLED}


def senders(feed: Feed, site: str, push_url: str) -> list[SenderLines]:
    """Lines for the receivers of a feed; none where we know of no program.

    `site`: the host name of this site, without a port; `push_url`: where receivers of this feed post.
    """
    parts = urlsplit(feed.url)
    known: tuple[SenderLines, ...]
    if parts.scheme == "push":
        known = _POSTING_AIS if feed.format == Format.NMEA else _POSTING
    else:
        known = _BY_SCHEME.get(parts.scheme, {}).get(feed.format, ())
    bound = parts.hostname or ""
    host = site if bound in _ANY or parts.scheme == "tcp" else bound
    values = {"host": f"[{host}]" if ":" in host else host, "port": parts.port, "push": push_url}
    return [SenderLines(each.program, each.line.format(**values)) for each in known]
