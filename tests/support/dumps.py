"""CSV dumps as MarineCadastre publishes them, made on the spot: ships report in turn, static cells in every row."""

from __future__ import annotations

import datetime as dt
import random
from collections.abc import Iterator

HEADER = (
    "MMSI,BaseDateTime,LAT,LON,SOG,COG,Heading,VesselName,IMO,CallSign,VesselType,Status,Length,Width,Draft,Cargo,"
    "TransceiverClass"
)
BEGAN = dt.datetime(2025, 1, 1, 22, tzinfo=dt.UTC)


def rows(count: int, ships: int = 300, seconds: float = 14_400.0) -> Iterator[str]:
    """`count` rows over `seconds`, which pass midnight; each ship changes its draught once."""
    chance = random.Random(1)
    for number in range(count):
        ship = number * 7 % ships
        at = BEGAN + dt.timedelta(seconds=int(number * seconds / count))
        draught = 4.5 if number < count // 2 else 5.0
        yield (
            f"{366_000_000 + ship},{at:%Y-%m-%dT%H:%M:%S},{chance.uniform(20, 50):.5f},{chance.uniform(-130, -60):.5f},"
            f"{chance.randrange(300) / 10},{chance.randrange(3600) / 10},{chance.randrange(360)}.0,SHIP {ship},"
            f"IMO9074729,WD{ship},70,{ship % 9},100,20,{draught},70,A"
        )


def dump(count: int, ships: int = 300, seconds: float = 14_400.0) -> bytes:
    """A whole file."""
    return "\n".join([HEADER, *rows(count, ships, seconds), ""]).encode()
