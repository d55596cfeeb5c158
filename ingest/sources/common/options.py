"""What a feed may say of its source beside the address: an object that an operator writes in the admin.

Enters the JSON object of a feed; leaves typed options. What is unknown or of a wrong type is refused with a sentence
that names the key. Secrets among them are shown to nobody who may not change the feed.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec

from ingest.formats.ais_csv.dialects import parse_columns

DATAGRAMS_PER_SECOND = 2000


class BadOptions(ValueError):
    """The options cannot be meant so; the text names the key and what it takes."""


@dataclass(frozen=True)
class OAuth:
    """Where tokens are to be had and for whom."""

    token_url: str
    client_id: str
    client_secret: str = field(repr=False)


class SourceOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`headers` and `oauth` are sent by http(s) feeds.

    `clock` of a live feed of AIS: "auto" judges the times of its stations, "own" believes them, "arrival" leaves them.
    `senders`: the networks (CIDR) from which a udp feed takes datagrams, empty: all; `datagrams_per_second`: how many
    it takes from one sender, 1 to 100,000. `columns` names those of a CSV whose header nobody knows, as in
    `timestamp=t,mmsi=id,lat=y,lon=x`; `zone` is that of times which name none, of SBS lines for one.
    """

    headers: dict[str, str] = {}
    oauth: OAuth | None = None
    senders: list[str] = []
    datagrams_per_second: int = DATAGRAMS_PER_SECOND
    clock: Literal["auto", "own", "arrival"] = "auto"
    columns: str = ""
    zone: str = "UTC"

    def networks(self) -> list[ipaddress.IPv4Network | ipaddress.IPv6Network]:
        """The networks of `senders`."""
        return [ipaddress.ip_network(text, strict=False) for text in self.senders]


def parse(given: Mapping[str, Any]) -> SourceOptions:
    """The options of a feed. Raises BadOptions."""
    try:
        options = msgspec.convert(given, SourceOptions)
        options.networks()
        ZoneInfo(options.zone)
        if options.columns:
            parse_columns(options.columns)
    except (msgspec.ValidationError, ValueError, ZoneInfoNotFoundError) as error:
        raise BadOptions(f"options: {error}") from error
    if not 1 <= options.datagrams_per_second <= 100_000:
        raise BadOptions("options: datagrams_per_second lies between 1 and 100000")
    return options
