"""What a `sim://` address says: in comes the address of a feed, out come checked options; nothing is started here."""

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import parse_qsl, urlsplit

from ingest.simulator.identities import MOST_SHIPS


@dataclass(frozen=True, slots=True)
class SimulatorOptions:
    """The query of a `sim://` address.

    `speedup` is simulated seconds per real second. The simulation itself only knows simulated time: whoever paces its
    transmissions applies it.
    """

    ships: int = 60
    seed: int = 1
    speedup: int = 1


# Every key with the range it allows, both ends included.
RANGES: Mapping[str, tuple[int, int]] = {
    "ships": (1, MOST_SHIPS),
    "seed": (0, 2**32 - 1),
    "speedup": (1, 1000),
}


def parse_url(url: str) -> SimulatorOptions:
    """The options in an address such as `sim://?ships=60&seed=7&speedup=10`; what is left out keeps its default.

    Raises ValueError, naming the key and what it allows, for an unknown or repeated key and for a value out of range;
    and for an address that is not `sim://` followed by nothing but a query.
    """
    parts = urlsplit(url)
    if parts.scheme != "sim" or parts.netloc or parts.path not in ("", "/") or parts.fragment:
        raise ValueError(f"a simulator's address looks like sim://?ships=60&seed=7, not {url}")
    chosen: dict[str, int] = {}
    for key, text in parse_qsl(parts.query, keep_blank_values=True):
        if key in chosen:
            raise ValueError(f"{key} is given twice")
        chosen[key] = _checked(key, text)
    return SimulatorOptions(**chosen)


def _checked(key: str, text: str) -> int:
    if key not in RANGES:
        raise ValueError(f"{key} is not an option of sim://; the options are {', '.join(RANGES)}")
    least, most = RANGES[key]
    # int() would also take " 6_0 " and digits of other scripts.
    value = int(text) if text.isascii() and text.isdigit() and len(text) <= 10 else -1
    if not least <= value <= most:
        raise ValueError(f"{key} must be a whole number from {least} to {most}, not {text!r}")
    return value
