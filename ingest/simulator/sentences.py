"""A ship's message as sentences: in come a ship, a kind of message and the time; out come AIVDM sentences.

Types 1, 5, 18 and 24, packed by pyais. The radio channels alternate, and messages of two sentences are numbered 0 to 9
in turn, as a receiver numbers them. How a receiver tags or damages a sentence is here too; which does, is not.
"""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from functools import cache
from random import Random
from typing import NamedTuple

from ingest.formats.ais.sentence import checksum
from ingest.simulator.traffic.ships import ShipPoint, SimulatedShip, TransmissionKind

# A rate of turn below this is noise to a gyro compass; degrees a minute.
_STEADY_TURN = 0.5
_GPS = 1

_ARMOUR = bytes((*range(48, 88), *range(96, 120)))  # the characters of a payload

Fields = dict[str, str | int | float | bytes | bool]


class Moment(NamedTuple):
    """When a message is sent: by the receivers' clocks as a time and in milliseconds since 1970, and in the world.

    `world_s` is seconds since 1970 in the world, `second_s` the same when the second of the clocks began.
    """

    at: datetime
    at_ms: int
    world_s: float
    second_s: float


class Sentences:
    """The counters of the radio channel: that of the next message and the number of the next group."""

    def __init__(self) -> None:
        self._sent = 0
        self._groups = 0

    def encode(self, ship: SimulatedShip, kind: TransmissionKind, moment: Moment, fix: ShipPoint) -> tuple[bytes, ...]:
        """The sentences of the message that `ship` sends, in order, without line ends.

        `fix` is hers when the second of the clocks began, which is the second that a position names.
        """
        self._sent += 1
        return self._armoured(_FIELDS[kind, ship.class_b](ship, moment, fix))

    def _armoured(self, fields: Fields) -> tuple[bytes, ...]:
        from pyais.encode import encode_dict  # when first needed: pyais builds all its messages

        channel = "AB"[self._sent % 2]
        lines = encode_dict(fields, talker_id="AI", sentence_type="VDM", radio_channel=channel, seq_id=self._groups)
        if len(lines) > 1:
            self._groups = (self._groups + 1) % 10
        return tuple(line.encode("ascii") for line in lines)


def tagged(sentence: bytes, receiver: int, clock_ms: int) -> bytes:
    r"""The sentence behind the tag block of a receiver (1 to 9): its station id and its own time in milliseconds.

    `\s:rx1,c:1772366407345*hh\!AIVDM,…` (NMEA 0183 4.10, annex C).
    """
    time = b"%d" % clock_ms
    prefix, folded = _tag_prefix(receiver)
    return b"\\%b%b*%02X\\%b" % (prefix, time, folded ^ checksum(time), sentence)


def damaged(sentence: bytes, chance: Random) -> bytes:
    """The sentence with one character of its payload changed or its end cut off: never valid again."""
    payload = sentence.index(b",", sentence.index(b",", 11) + 1) + 1
    at = chance.randrange(payload, sentence.index(b",", payload))
    if chance.random() < 0.5:
        return sentence[:at]
    others = _ARMOUR.replace(sentence[at : at + 1], b"")
    return sentence[:at] + bytes((chance.choice(others),)) + sentence[at + 1 :]


@cache
def _tag_prefix(receiver: int) -> tuple[bytes, int]:
    """What is the same in all tag blocks of a receiver, and its part of the checksum."""
    prefix = b"s:rx%d,c:" % receiver
    return prefix, checksum(prefix)


def _class_a_position(ship: SimulatedShip, moment: Moment, fix: ShipPoint) -> Fields:
    return {"type": 1, "status": int(ship.motion.status), "maneuver": 0, **_movement(ship, moment, fix, with_turn=True)}


def _class_b_position(ship: SimulatedShip, moment: Moment, fix: ShipPoint) -> Fields:
    return {"type": 18, "cs": True, "band": True, "msg22": True, **_movement(ship, moment, fix, with_turn=False)}


def _movement(ship: SimulatedShip, moment: Moment, fix: ShipPoint, *, with_turn: bool) -> Fields:
    """What rounds up to 360 would mean "not available": it is north."""
    fields: Fields = {
        "mmsi": ship.identity.mmsi,
        "lat": fix.latitude,
        "lon": fix.longitude,
        "speed": round(fix.speed, 1),
        "accuracy": True,
        "course": round(fix.course, 1) % 360.0,
        "heading": round(fix.heading) % 360,
        "second": moment.at.second,
    }
    if with_turn:
        fields["turn"] = round(fix.turn, 1) if abs(fix.turn) >= _STEADY_TURN else 0.0
    return fields


def _voyage(ship: SimulatedShip, moment: Moment, fix: ShipPoint) -> Fields:
    identity, voyage = ship.identity, ship.motion.voyage(moment.world_s)
    return {
        "type": 5,
        "mmsi": identity.mmsi,
        "imo": identity.imo,
        "callsign": identity.callsign,
        "shipname": identity.name,
        "ship_type": identity.ship_type,
        **_dimensions(ship),
        "epfd": _GPS,
        **_arrival(moment.at, voyage.seconds_left),
        "draught": identity.draught,
        "destination": voyage.destination,
    }


def _arrival(at: datetime, seconds_left: float | None) -> Fields:
    """Estimated time of arrival; month 0, day 0, hour 24, minute 60: not available (ITU-R M.1371-5, table 52)."""
    if seconds_left is None:
        return {"month": 0, "day": 0, "hour": 24, "minute": 60}
    arrival = at + timedelta(seconds=seconds_left)
    return {"month": arrival.month, "day": arrival.day, "hour": arrival.hour, "minute": arrival.minute}


def _static_a(ship: SimulatedShip, moment: Moment, fix: ShipPoint) -> Fields:
    return {"type": 24, "partno": 0, "mmsi": ship.identity.mmsi, "shipname": ship.identity.name}


def _static_b(ship: SimulatedShip, moment: Moment, fix: ShipPoint) -> Fields:
    return {
        "type": 24,
        "partno": 1,
        "mmsi": ship.identity.mmsi,
        "ship_type": ship.identity.ship_type,
        "vendorid": "SIM",
        "callsign": ship.identity.callsign,
        **_dimensions(ship),
    }


def _dimensions(ship: SimulatedShip) -> Fields:
    identity = ship.identity
    return {
        "to_bow": identity.bow,
        "to_stern": identity.stern,
        "to_port": identity.port,
        "to_starboard": identity.starboard,
    }


_FIELDS: Mapping[tuple[TransmissionKind, bool], Callable[[SimulatedShip, Moment, ShipPoint], Fields]] = {
    (TransmissionKind.POSITION, False): _class_a_position,
    (TransmissionKind.STATIC, False): _voyage,
    (TransmissionKind.POSITION, True): _class_b_position,
    (TransmissionKind.STATIC, True): _static_a,
    (TransmissionKind.STATIC_B, True): _static_b,
}
