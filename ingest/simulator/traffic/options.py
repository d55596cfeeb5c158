"""What a `sim://` address says: in comes the address of a feed, out come checked options; nothing is started here."""

from collections.abc import Mapping, Set
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from ingest.simulator.traffic.identities import MOST_AIRCRAFT, MOST_SHIPS


@dataclass(frozen=True, slots=True)
class SimulatorOptions:
    """The query of a `sim://` address: `ships` of AIS, or, where `aircraft` is not 0, that many aircraft of SBS.

    `speedup`: how many seconds pass in the world while one passes on the receivers' clocks. `moored`: the share of the
    ships that lie in port, None for one in ten. `interval`: seconds between the positions of a ship under way or an
    aircraft, None for what is usual: by the standard for ships, 5 s for aircraft. `receivers`: how many hear it, 1
    hears everything. `skew`: milliseconds by which their clocks are off at most. `loss`: the share of transmissions
    that a receiver in range misses; `corrupt`: the share of its lines that arrive damaged.
    """

    ships: int = 60
    seed: int = 1
    speedup: int = 1
    aircraft: int = 0
    moored: float | None = None
    interval: int | None = None
    receivers: int = 1
    skew: int = 0
    loss: float = 0.0
    corrupt: float = 0.0

    @property
    def format(self) -> str:
        """The format of a feed with these options, as `ingest.models.Format` calls it."""
        return "sbs" if self.aircraft else "nmea"


# Every key of a whole number with the range it allows, both ends included.
RANGES: Mapping[str, tuple[int, int]] = {
    "ships": (1, MOST_SHIPS),
    "seed": (0, 2**32 - 1),
    "speedup": (1, 1000),
    "aircraft": (1, MOST_AIRCRAFT),
    "interval": (1, 600),
    "receivers": (1, 9),
    "skew": (0, 60_000),
}
SHARES = ("moored", "loss", "corrupt")


def parse_url(url: str) -> SimulatorOptions:
    """The options in an address such as `sim://?ships=60&seed=7&speedup=10`; what is left out keeps its default.

    Raises ValueError, naming the key and what it allows, for an unknown or repeated key, for a value out of range, and
    for ships and aircraft in one address; and for an address that is not `sim://` followed by nothing but a query.
    """
    parts = urlsplit(url)
    if parts.scheme != "sim" or parts.netloc or parts.path not in ("", "/") or parts.fragment:
        raise ValueError(f"a simulator's address looks like sim://?ships=60&seed=7, not {url}")
    chosen: dict[str, Any] = {}
    for key, text in parse_qsl(parts.query, keep_blank_values=True):
        if key in chosen:
            raise ValueError(f"{key} is given twice")
        chosen[key] = _share(key, text) if key in SHARES else _whole(key, text)
    _refuse_a_mixture(chosen.keys())
    return SimulatorOptions(**chosen)


def _refuse_a_mixture(keys: Set[str]) -> None:
    if {"aircraft", "ships"} <= keys:
        raise ValueError(
            "ships and aircraft have a format each: make two feeds, sim://?ships=60 and sim://?aircraft=30"
        )
    if {"aircraft", "moored"} <= keys:
        raise ValueError("moored is an option of ships, not of aircraft")


def _whole(key: str, text: str) -> int:
    if key not in RANGES:
        raise ValueError(f"{key} is not an option of sim://; the options are {', '.join((*RANGES, *SHARES))}")
    least, most = RANGES[key]
    # int() would also take " 6_0 " and digits of other scripts.
    value = int(text) if text.isascii() and text.isdigit() and len(text) <= 10 else -1
    if not least <= value <= most:
        raise ValueError(f"{key} must be a whole number from {least} to {most}, not {text!r}")
    return value


def _share(key: str, text: str) -> float:
    plain = text.isascii() and text.replace(".", "", 1).isdigit() and len(text) <= 10
    value = float(text) if plain else -1.0
    if not 0.0 <= value <= 1.0:
        raise ValueError(f"{key} must be a share from 0 to 1, such as 0.05, not {text!r}")
    return value
