"""Live ships as events look at them: a few values of each document, in half of the memory that the whole takes."""

from __future__ import annotations

import msgspec

from tracking.live.state import LiveKind, LiveState
from tracking.positions import mmsi

MOST_SHIPS = 50_000


class LiveShip(msgspec.Struct, gc=False, kw_only=True):
    """Values of a live document, None where it has none; times in epoch seconds, degrees, knots.

    `id` is an MMSI, or one with the number of a second track ("211000001/1"), which is in dispute.
    """

    id: str
    ts: float
    lat: float | None = None
    lon: float | None = None
    speed: float | None = None
    course: float | None = None
    status: int | None = None
    source: str = ""
    name: str | None = None
    callsign: str | None = None
    ages: dict[str, float] = {}

    @property
    def knots(self) -> float:
        """Its speed, 0 where it says none."""
        return self.speed or 0.0

    @property
    def placed_at(self) -> float:
        """When it said its position."""
        return self.ages.get("position", self.ts)

    @property
    def is_ship(self) -> bool:
        """Whether it is the one ship of its MMSI, not a second track and no aircraft, station or aid."""
        return "/" not in self.id and mmsi.classify(int(self.id))[0] is mmsi.MmsiForm.SHIP


_ships = msgspec.json.Decoder(LiveShip)


def heard_since(ts: float) -> list[LiveShip]:
    """Those whose `ts` is after `ts`, oldest first, at most MOST_SHIPS. Raises redis.RedisError."""
    state = LiveState(LiveKind.VESSEL)
    return [_ships.decode(document) for document, _ in state.encoded(state.keys_since(ts)[:MOST_SHIPS])]
