"""A ship's message as sentences: in come a ship, a kind of message and the time; out come AIVDM sentences.

Types 1, 5, 18 and 24, packed by pyais. The radio channels alternate, and messages of two sentences are numbered 0 to 9
in turn, as a receiver numbers them.
"""

import math
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta

from pyais.encode import encode_dict

from ingest.simulator.ships import Kind, Ship

# A rate of turn below this is noise to a gyro compass; degrees a minute.
_STEADY_TURN = 0.5
_GPS = 1

Fields = dict[str, str | int | float | bytes | bool]


class Sentences:
    """The counters of one simulated receiver: the channel of the next message and the number of the next group."""

    def __init__(self) -> None:
        self._sent = 0
        self._groups = 0

    def encode(self, ship: Ship, kind: Kind, at: datetime) -> tuple[bytes, ...]:
        """The sentences of the message that `ship` sends `at` (aware), in order, without line ends."""
        self._sent += 1
        return self._armoured(_FIELDS[kind, ship.class_b](ship, at.astimezone(UTC)))

    def _armoured(self, fields: Fields) -> tuple[bytes, ...]:
        channel = "AB"[self._sent % 2]
        lines = encode_dict(fields, talker_id="AI", sentence_type="VDM", radio_channel=channel, seq_id=self._groups)
        if len(lines) > 1:
            self._groups = (self._groups + 1) % 10
        return tuple(line.encode("ascii") for line in lines)


def _class_a_position(ship: Ship, at: datetime) -> Fields:
    return {"type": 1, "status": int(ship.motion.status), "maneuver": 0, **_movement(ship, at, with_turn=True)}


def _class_b_position(ship: Ship, at: datetime) -> Fields:
    return {"type": 18, "cs": True, "band": True, "msg22": True, **_movement(ship, at, with_turn=False)}


def _movement(ship: Ship, at: datetime, *, with_turn: bool) -> Fields:
    """The fix of the last whole second, which is the second that the message names.

    What rounds up to 360 would mean "not available": it is north.
    """
    fix = ship.motion.at(math.floor(at.timestamp()))
    fields: Fields = {
        "mmsi": ship.identity.mmsi,
        "lat": fix.latitude,
        "lon": fix.longitude,
        "speed": round(fix.speed, 1),
        "accuracy": True,
        "course": round(fix.course, 1) % 360.0,
        "heading": round(fix.heading) % 360,
        "second": at.second,
    }
    if with_turn:
        fields["turn"] = round(fix.turn, 1) if abs(fix.turn) >= _STEADY_TURN else 0.0
    return fields


def _voyage(ship: Ship, at: datetime) -> Fields:
    identity, voyage = ship.identity, ship.motion.voyage(at.timestamp())
    return {
        "type": 5,
        "mmsi": identity.mmsi,
        "imo": identity.imo,
        "callsign": identity.callsign,
        "shipname": identity.name,
        "ship_type": identity.ship_type,
        **_dimensions(ship),
        "epfd": _GPS,
        **_arrival(at, voyage.seconds_left),
        "draught": identity.draught,
        "destination": voyage.destination,
    }


def _arrival(at: datetime, seconds_left: float | None) -> Fields:
    """Estimated time of arrival; month 0, day 0, hour 24, minute 60: not available (ITU-R M.1371-5, table 52)."""
    if seconds_left is None:
        return {"month": 0, "day": 0, "hour": 24, "minute": 60}
    arrival = at + timedelta(seconds=seconds_left)
    return {"month": arrival.month, "day": arrival.day, "hour": arrival.hour, "minute": arrival.minute}


def _static_a(ship: Ship, at: datetime) -> Fields:
    return {"type": 24, "partno": 0, "mmsi": ship.identity.mmsi, "shipname": ship.identity.name}


def _static_b(ship: Ship, at: datetime) -> Fields:
    return {
        "type": 24,
        "partno": 1,
        "mmsi": ship.identity.mmsi,
        "ship_type": ship.identity.ship_type,
        "vendorid": "SIM",
        "callsign": ship.identity.callsign,
        **_dimensions(ship),
    }


def _dimensions(ship: Ship) -> Fields:
    identity = ship.identity
    return {
        "to_bow": identity.bow,
        "to_stern": identity.stern,
        "to_port": identity.port,
        "to_starboard": identity.starboard,
    }


_FIELDS: Mapping[tuple[Kind, bool], Callable[[Ship, datetime], Fields]] = {
    (Kind.POSITION, False): _class_a_position,
    (Kind.STATIC, False): _voyage,
    (Kind.POSITION, True): _class_b_position,
    (Kind.STATIC, True): _static_a,
    (Kind.STATIC_B, True): _static_b,
}
