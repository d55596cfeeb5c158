"""Mode S frames to what they say, with the memory that needs: the last minute of each aircraft.

Enters frames of one feed in order, checked for length and parity, with the times they were heard; leaves `Said` for
those that carry a position, or an identification or squawk that is news, None for all others. Frames are decoded one
by one or as a pair (`modes_cpr.py`), so nothing depends on how the stream was cut.

The first position that a pair of frames gives may be wrong: another aircraft has the same address, or a frame a bit
error that its parity does not show. Where the receiver is known, it must lie within its reach, as all positions must.
Else it is doubtful until a second pair, of frames that both came later, agrees or contradicts it; whoever has its
messages holds them back meanwhile (`settled`).

Speed, track, vertical rate and barometric altitude may come in other frames; they are kept for MEMORY_MS. Replies whose
parity is overlaid with the address (formats 5 and 21 have the squawk) have no check of their own: they count for
aircraft that are known from checked frames, once two in a row agree.
Source: RTCA DO-260B, 2.2.3.2 (formats) and 2.2.18 (TIS-B, ADS-R); ICAO Annex 10, volume IV, 3.1.2.
"""

from __future__ import annotations

from typing import Any

import msgspec

from ingest.formats.modes import cpr
from ingest.formats.modes.decoder import FrameContent

MEMORY_MS = 60_000
PAIR_MS = 10_000
MAX_AIRCRAFT = 20_000
REACH_METRES = 300 * 1852.0

_SUPERSONIC = 2  # subtype of the velocity frame whose unit is four knots; rs1090 0.7.0 takes it for one

# Control field of format 18 -> (kind, whether the address may, or does, come from elsewhere than ICAO).
_CONTROLS = {0: ("adsb", "no"), 1: ("adsb", "yes"), 2: ("tisb", "flag"), 5: ("tisb", "yes"), 6: ("adsb", "flag")}
_CATEGORY_SETS = " DCBA"  # by type code, 1 to 4

_IDENTIFICATION = range(1, 5)  # type codes
_SURFACE = range(5, 9)
_VELOCITY = 19
_AIRBORNE = (*range(9, 19), *range(20, 23))
_STATUS = 28
_LAST_MOVEMENT = 124  # on the surface, 175 knots or more; 125 to 127 are reserved
_TOLD = (*_IDENTIFICATION, _VELOCITY, _STATUS)

_DYNAMIC = ("ground_speed", "track", "vertical_rate")


class _HeardAircraft(msgspec.Struct):
    """The last minute of one aircraft, everything with its time in ms.

    `frames`: the last airborne position of each kind and parity, with its number; `doubt`: the number of the frame that
    gave the first position, 0 where it is certain; `values`: what other frames said; `told`: what left.
    """

    heard: int = 0
    number: int = 0  # of position frames
    frames: dict[tuple[str, int], tuple[int, bytes, int]] = {}
    fix: cpr.ResolvedPosition | None = None
    doubt: int = 0
    values: dict[str, tuple[int, Any]] = {}
    told: dict[str, tuple[int, Any]] = {}


class Airspace:
    """The aircraft that one feed hears.

    `receiver`: latitude and longitude of its antenna in degrees, None where unknown; `reach`: how far it hears, in
    metres. `settled`: addresses whose first position was doubtful until the last frame, and whether it was right.
    """

    def __init__(self, receiver: tuple[float, float] | None, reach: float = REACH_METRES) -> None:
        self._receiver, self._reach = receiver, reach
        self.settled: list[tuple[str, bool]] = []
        self._aircraft: dict[str, _HeardAircraft] = {}  # the one silent longest comes first

    def __len__(self) -> int:
        return len(self._aircraft)

    def is_doubtful(self, address: str) -> bool:
        """Whether the position of this aircraft was given by one pair only."""
        return address in self._aircraft and self._aircraft[address].doubt > 0

    def trust(self, address: str) -> None:
        """Nothing contradicts the position of this aircraft."""
        if address in self._aircraft:
            self._aircraft[address].doubt = 0

    def hear(self, frame: bytes, at: int, multilateral: bool = False) -> FrameContent | None:
        """What a frame heard at `at` (ms) says; `multilateral`: it was computed from several receivers."""
        self.settled.clear()
        match frame[0] >> 3:
            case 17:
                return self._squitter(frame, frame[1:4].hex(), "mlat" if multilateral else "adsb", at)
            case 18 if frame[0] & 7 in _CONTROLS:
                kind, elsewhere = _CONTROLS[frame[0] & 7]
                address = frame[1:4].hex()
                if elsewhere == "yes" or (elsewhere == "flag" and _is_track_number(frame)):
                    address = "~" + address
                return self._squitter(frame, address, "mlat" if multilateral else kind, at)
            case 5 | 21:
                return self._reply(frame, at)
        return None

    def _squitter(self, frame: bytes, address: str, kind: str, at: int) -> FrameContent | None:
        """An extended squitter, by its type code."""
        aircraft = self._known(address, at)
        code = frame[4] >> 3
        if code in _SURFACE or code in _AIRBORNE:
            return self._position(frame, aircraft, FrameContent(address, kind), at)
        said = (cpr.decode(frame) if code in _TOLD else None) or {}
        if code == _VELOCITY:
            factor = 4 if frame[4] & 7 == _SUPERSONIC else 1
            if _field(frame, 15, 10) and _field(frame, 26, 10):  # 0 in one of the components: no information
                _keep(aircraft, at, ground_speed=_times(said.get("groundspeed"), factor), track=said.get("track"))
            if _field(frame, 38, 9):
                _keep(aircraft, at, vertical_rate=said.get("vertical_rate"))
        elif code in _IDENTIFICATION and said.get("callsign"):
            category = f"{_CATEGORY_SETS[code]}{frame[4] & 7}" if frame[4] & 7 else None
            if _is_news(aircraft, "callsign", (said["callsign"], category), at):
                return FrameContent(address, kind, callsign=said["callsign"], category=category)
        elif code == _STATUS and said.get("squawk") and _is_news(aircraft, "squawk", said["squawk"], at):
            return FrameContent(address, kind, squawk=said["squawk"])
        return None

    def _reply(self, frame: bytes, at: int) -> FrameContent | None:
        """A surveillance or Comm-B reply with the squawk; its address is what is left of the parity."""
        said = cpr.decode(frame) or {}
        address, squawk = said.get("icao24"), said.get("squawk")
        aircraft = self._aircraft.get(address or "")
        if aircraft is None or squawk is None or abs(at - aircraft.heard) > MEMORY_MS:
            return None
        before = _fresh(aircraft.values.get("squawk"), at)
        _keep(aircraft, at, squawk=squawk)
        if before is None or before[1] != squawk or not _is_news(aircraft, "squawk", squawk, at):
            return None
        return FrameContent(str(address), squawk=squawk)

    def _position(self, frame: bytes, aircraft: _HeardAircraft, said: FrameContent, at: int) -> FrameContent | None:
        """A position frame, with what else is known of the flight."""
        if _is_empty(frame):
            return None
        said.on_ground = frame[4] >> 3 in _SURFACE
        decoded, other = self._resolved(frame, aircraft, said, at)
        if decoded is None:
            return None
        aircraft.number += 1
        fix = cpr.fix(decoded, at)
        if fix is not None and not self._is_credible(aircraft, fix, other, said, at):
            if not said.on_ground and aircraft.frames:  # the other one of the pair may have been wrong
                aircraft.frames[said.kind, cpr.parity(frame)] = (at, frame, aircraft.number)
            said.unresolved = True
            return said
        if said.on_ground:
            if 0 < _field(frame, 6, 7) <= _LAST_MOVEMENT:
                _keep(aircraft, at, ground_speed=decoded.get("groundspeed"))
            _keep(aircraft, at, track=decoded.get("track"))
        else:
            aircraft.frames[said.kind, cpr.parity(frame)] = (at, frame, aircraft.number)
            said.altitude = _altitude(aircraft, decoded, at, said.ages)
        if fix is None:
            said.unresolved = True
            return said
        aircraft.fix = fix
        said.latitude, said.longitude = fix.latitude, fix.longitude
        for name in _DYNAMIC[:2] if said.on_ground else _DYNAMIC:
            setattr(said, name, _value(aircraft, name, at, said.ages))
        return said

    def _is_credible(
        self, aircraft: _HeardAircraft, fix: cpr.ResolvedPosition, other: int, said: FrameContent, at: int
    ) -> bool:
        """Whether an aircraft may be there; `other`: the number of the frame that the position was found with, or 0."""
        if self._receiver is not None and cpr.metres(self._receiver, (fix.latitude, fix.longitude)) > self._reach:
            return False
        known = aircraft.fix
        if known is None or abs(at - known.at) > MEMORY_MS:
            aircraft.doubt = aircraft.number if self._receiver is None else 0
            return True
        agrees = cpr.is_reachable(known, fix)
        if aircraft.doubt:
            return self._settle(aircraft, agrees, other, said)
        if not agrees:
            aircraft.fix = None  # one of them is wrong, nobody knows which: begin again
            aircraft.frames.clear()
        return agrees

    def _settle(self, aircraft: _HeardAircraft, agrees: bool, other: int, said: FrameContent) -> bool:
        """Whether the position is credible beside a doubtful one, which it may confirm, or take the place of."""
        if agrees:
            if other > aircraft.doubt:
                aircraft.doubt = 0
                self.settled.append((said.icao, True))
            return True
        if other:
            self.settled.append((said.icao, False))
            aircraft.doubt = aircraft.number
        return bool(other)

    def _resolved(
        self, frame: bytes, aircraft: _HeardAircraft, said: FrameContent, at: int
    ) -> tuple[dict[str, Any] | None, int]:
        """The frame decoded, with its position if that can be told, first by the frame of the other parity.

        And the number of that frame, 0 where it took none.
        """
        own = aircraft.fix
        near = (own.latitude, own.longitude) if own is not None and abs(at - own.at) <= MEMORY_MS else None
        if said.on_ground:
            return cpr.decode(frame, near or self._receiver), 0
        other = aircraft.frames.get((said.kind, 1 - cpr.parity(frame)))
        if other is not None and abs(at - other[0]) <= PAIR_MS:
            decoded = cpr.decode_pair(other[1], frame)
            if decoded is not None:
                return decoded, other[2]
        return cpr.decode(frame, near), 0

    def _known(self, address: str, at: int) -> _HeardAircraft:
        """The aircraft of this address; those silent for too long, or too many, are forgotten."""
        aircraft = self._aircraft.pop(address, None)
        if aircraft is None or abs(at - aircraft.heard) > MEMORY_MS:
            aircraft = _HeardAircraft()
        aircraft.heard = at
        self._aircraft[address] = aircraft
        while True:
            oldest = next(iter(self._aircraft))
            if len(self._aircraft) <= MAX_AIRCRAFT and abs(at - self._aircraft[oldest].heard) <= MEMORY_MS:
                return aircraft
            del self._aircraft[oldest]


def _field(frame: bytes, first: int, length: int) -> int:
    """Bits of the message of an extended squitter, counted from 1 as the source does."""
    return int.from_bytes(frame[4:11], "big") >> (57 - first - length) & (1 << length) - 1


def _is_empty(frame: bytes) -> bool:
    """Whether a position frame is that of a transponder without a position.

    Such send all zeros, or, with altitude and longitude 0, a latitude whose low bits are.
    """
    latitude, longitude = _field(frame, 23, 17), _field(frame, 40, 17)
    without_altitude = frame[4] >> 3 in _AIRBORNE and not _field(frame, 9, 12)
    return longitude == 0 and (latitude == 0 or (without_altitude and latitude & 0xFFF == 0))


def _is_track_number(frame: bytes) -> bool:
    """The flag of TIS-B and ADS-R that says the address is a track number: its place depends on the message."""
    code = frame[4] >> 3
    if code in _AIRBORNE:
        return bool(frame[4] & 1)
    if code in _SURFACE:
        return bool(frame[6] >> 3 & 1)
    return code == _VELOCITY and frame[5] > 127


def _altitude(aircraft: _HeardAircraft, decoded: dict[str, Any], at: int, ages: dict[str, int]) -> int | None:
    """Feet: the frame's own if barometric, else the last barometric one, else the frame's geometric one."""
    own: int | None = decoded.get("altitude")
    if decoded.get("source") != "GNSS":
        _keep(aircraft, at, altitude=own)
        own = None
    known: int | None = _value(aircraft, "altitude", at, ages)
    return own if known is None else known


def _times(value: float | None, factor: int) -> float | None:
    return None if value is None else value * factor


def _keep(aircraft: _HeardAircraft, at: int, **values: float | str | None) -> None:
    """Remember values that are there."""
    for name, value in values.items():
        if value is not None:
            aircraft.values[name] = (at, round(value, 2) if isinstance(value, float) else value)


def _fresh(known: tuple[int, Any] | None, at: int) -> tuple[int, Any] | None:
    return known if known is not None and abs(at - known[0]) <= MEMORY_MS else None


def _value(aircraft: _HeardAircraft, name: str, at: int, ages: dict[str, int]) -> Any:
    """A remembered value; its age goes to `ages` when it is older than the frame."""
    known = _fresh(aircraft.values.get(name), at)
    if known is None:
        return None
    if known[0] < at:
        ages[name] = at - known[0]
    return known[1]


def _is_news(aircraft: _HeardAircraft, name: str, value: Any, at: int) -> bool:
    """Whether a value was not told in the last minute; then it is told now."""
    known = _fresh(aircraft.told.get(name), at)
    if known is not None and known[1] == value:
        return False
    aircraft.told[name] = (at, value)
    return True
