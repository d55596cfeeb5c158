"""An aircraft's message as SBS-1 lines: in come an aircraft, a kind of message and the time; out come lines.

    MSG,3,1,1,D0AB12,1,2026/03/01,12:00:07.345,2026/03/01,12:00:07.345,,34000,,,45.74498,-0.17166,,,,,,0

22 fields: MSG, type, session, aircraft id, ICAO address, flight id, date and time generated, date and time logged,
callsign, altitude (feet), ground speed (knots), track (degrees), latitude, longitude, vertical rate (feet a minute),
squawk, alert, emergency, SPI, on ground (0 or -1). Types: 1 callsign, 2 position on the ground, 3 position in the air,
4 velocity; each with the fields that dump1090 fills for it. Times are UTC. Source: BaseStation socket data, as
dump1090-mutability writes it.
"""

import math
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from random import Random

from ingest.simulator.traffic.aircraft import SimulatedAircraft
from ingest.simulator.traffic.flights import FlightPoint

# Everything in front of the times is as long in every line, and so are the times.
_SESSION_AT, _TIMES_AT = 6, 19
_TIMES_BYTES = 47

_ALTITUDE_STEP_FT, _RATE_STEP_FPM = 25, 64


def position(aircraft: SimulatedAircraft, fix: FlightPoint, at_ms: int) -> bytes:
    """Where it is: type 3 with its altitude in the air, type 2 with speed and track on the ground."""
    place = f"{fix.latitude:.5f},{fix.longitude:.5f}"
    if fix.on_ground:
        return _line(2, aircraft, at_ms, f",,{round(fix.speed)},{_track(fix)},{place},,,,,,-1")
    # Rounded up: what is rounded down would be below the runway at its ends.
    altitude = math.ceil(fix.altitude / _ALTITUDE_STEP_FT) * _ALTITUDE_STEP_FT
    return _line(3, aircraft, at_ms, f",{altitude},,,{place},,,,,,0")


def velocity(aircraft: SimulatedAircraft, fix: FlightPoint, at_ms: int) -> bytes:
    """How it moves: type 4 in the air; on the ground that is part of the position."""
    if fix.on_ground:
        return position(aircraft, fix, at_ms)
    rate = round(fix.vertical_rate / _RATE_STEP_FPM) * _RATE_STEP_FPM
    return _line(4, aircraft, at_ms, f",,{round(fix.speed)},{_track(fix)},,,{rate},,,,,0")


def identification(aircraft: SimulatedAircraft, fix: FlightPoint, at_ms: int) -> bytes:
    """The callsign, padded to 8 characters as it is transmitted."""
    return _line(1, aircraft, at_ms, f"{aircraft.callsign:8},,,,,,,,,,,{-1 if fix.on_ground else 0}")


def readdressed(line: bytes, receiver: int, clock_ms: int) -> bytes:
    """The same line as `receiver` (1 to 9) logs it by its own clock; its number is the session of the line."""
    times = _times(clock_ms)
    head = line[:_SESSION_AT] + b"%d" % receiver + line[_SESSION_AT + 1 : _TIMES_AT]
    return head + times + line[_TIMES_AT + _TIMES_BYTES :]


def damaged(line: bytes, chance: Random) -> bytes:
    """The line with its last fields cut off: SBS has no checksum, so only missing fields can be told from data."""
    return line[: chance.randrange(_TIMES_AT + _TIMES_BYTES + 1, line.rindex(b","))]


def _track(fix: FlightPoint) -> int:
    return round(fix.track) % 360


def _line(kind: int, aircraft: SimulatedAircraft, at_ms: int, values: str) -> bytes:
    return f"MSG,{kind},1,1,{aircraft.icao},1,".encode("ascii") + _times(at_ms) + f",{values}".encode("ascii")


def _times(at_ms: int) -> bytes:
    """Generated and logged, each with its date; here they are the same."""
    seconds, milliseconds = divmod(at_ms, 1000)
    moment = b"%s.%03d" % (_second(seconds), milliseconds)
    return moment + b"," + moment


@lru_cache(maxsize=1024)  # of the few seconds that clocks show at a time
def _second(seconds: int) -> bytes:
    moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)
    return f"{moment:%Y/%m/%d,%H:%M:%S}".encode("ascii")
