"""Where a relay may send: addresses as people write them, and the hosts behind them.

An address enters; a sentence that names its fault, or the addresses that may be connected to, leave. A relay sends, so
it reaches the public and the networks of FEED_ALLOW_NETWORKS, and never link-local addresses, as http feeds do
(`ingest/sources/addresses.py`); tcp feeds, which send nothing, reach more.
"""

from __future__ import annotations

import asyncio
from typing import NamedTuple
from urllib.parse import urlsplit

from ingest.models import RelayFormat
from ingest.sources.common import addresses, urls

EXAMPLES = {
    "udp": "udp://192.168.1.20:10110",
    "tcp": "tcp://data.example.org:5321",
    "tcp-listen": "tcp-listen://127.0.0.1:10111",
}


class BadRelayUrl(ValueError):
    """The address cannot be that of a relay; the text says why, and how a right one looks."""


class RelayAddress(NamedTuple):
    """The parts of a relay's address."""

    scheme: str
    host: str
    port: int


def check(url: str, kind: str) -> None:
    """Raise BadRelayUrl unless the address has a known scheme, by which the format can travel, a host and a port."""
    scheme = url.partition("://")[0]
    if scheme not in EXAMPLES:
        known = ", ".join(f"{name}://" for name in EXAMPLES)
        raise BadRelayUrl(f"The address must begin with one of {known}; for example {EXAMPLES['udp']}.")
    if "@" in url:
        raise BadRelayUrl("The address has no user and no password.")
    try:
        urls.check(url)
    except urls.BadFeedUrl as error:
        raise BadRelayUrl(str(error)) from error
    if scheme == "udp" and kind in (RelayFormat.BEAST, RelayFormat.SBS):
        raise BadRelayUrl("Beast and SBS do not travel by udp: use tcp or tcp-listen.")


def parts_of(url: str) -> RelayAddress:
    """The parts of an address that was checked."""
    parts = urlsplit(url)
    return RelayAddress(parts.scheme, parts.hostname or "", parts.port or 0)


def reachable(address: RelayAddress) -> list[str]:
    """The host's addresses that may be sent to. Raises AddressRefused, OSError and UnicodeError."""
    return asyncio.run(addresses.resolve(address.host, address.port))
