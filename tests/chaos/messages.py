"""Sentences of which no two are of one ship: message n is a position of MMSI 211000000 + n, wherever it ends up.

Numbers enter; sentences, the body of a push and the text of a recording leave. The positions are packed by pyais; only
the MMSI is changed after that, because fifty thousand encodings would take longer than the faults.
"""

from __future__ import annotations

from collections.abc import Sequence

from ingest.formats.ais.sentence import checksum
from ingest.simulator.sentences import tagged
from tests.support.messages import position

FIRST_MMSI = 211_000_000
# Ships that the chaos database refuses as data: `vessel_id % POISON_OF = POISON`.
POISON_OF, POISON = 500, 7
FOREIGN = b"$GPGLL,5200.00,N,00400.00,E,120000,A*20"
MALFORMED = b"!AIVDM,1,1,,A,15MwkRUOidG?GElEa<iQk1JV06Jd,0*00"
_SHIPS_A_FOREIGN_LINE = 50
_SHIPS_A_MALFORMED_LINE = 200
_TEMPLATES = 32
_BEFORE_PAYLOAD = 5  # commas


def is_poison(ship: int) -> bool:
    """Whether the database refuses the ship with this number."""
    return ship % POISON_OF == POISON


def sentence(ship: int) -> bytes:
    """A position report of the ship with this number, without its line end; its second of the minute is unknown."""
    fields = _templates[ship % _TEMPLATES]
    head = 0
    for character in fields[_BEFORE_PAYLOAD][:7]:
        head = head << 6 | (character - 48 - 8 * (character > 88))
    head = head & ~(0x3FFFFFFF << 4) | (FIRST_MMSI + ship) << 4
    values = [head >> shift & 0x3F for shift in range(36, -1, -6)]
    armoured = bytes(value + 48 + 8 * (value > 39) for value in values)
    payload = armoured + fields[_BEFORE_PAYLOAD][7:]
    body = b",".join([*fields[:_BEFORE_PAYLOAD], payload, b"0"])
    return b"!%b*%02X" % (body, checksum(body))


def ship_of(raw: bytes) -> int:
    """The number of the ship whose message this is, tag block or not. Raises ValueError for anything else."""
    value = 0
    for character in raw[raw.index(b"!") :].split(b",")[_BEFORE_PAYLOAD][:7]:
        value = value << 6 | (character - 48 - 8 * (character > 88))
    return (value >> 4 & 0x3FFFFFFF) - FIRST_MMSI


def push_body(number: int, ships: Sequence[int]) -> bytes:
    """One push: `number` lines of another protocol, then the ships. So the ledger's line tells whose account it is."""
    return b"".join(line + b"\r\n" for line in (*([FOREIGN] * number), *map(sentence, ships)))


class Recording:
    """The text of a recording of `ships`, `step_ms` apart, with lines of other protocols and damaged ones between."""

    def __init__(self, ships: Sequence[int], start_ms: int, step_ms: float) -> None:
        self.foreign = self.malformed = 0
        lines: list[bytes] = []
        for place, ship in enumerate(ships):
            lines.append(tagged(sentence(ship), 1, round(start_ms + place * step_ms)))
            if place % _SHIPS_A_FOREIGN_LINE == 0:
                lines.append(FOREIGN)
                self.foreign += 1
            if place % _SHIPS_A_MALFORMED_LINE == 0:
                lines.append(MALFORMED)
                self.malformed += 1
        self.lines = len(lines)
        self.text = b"\r\n".join([*lines, b""])


def _template(number: int) -> list[bytes]:
    """A sentence in its fields, the last of them without padding and checksum, somewhere on the North Sea."""
    raw = position(lat=52.0 + number / 50, lon=2.5 + number / 40, speed=number / 2, course=number * 10.0)
    return [b"AIVDM", *raw.split(b",")[1 : _BEFORE_PAYLOAD + 1]]


_templates = [_template(number) for number in range(_TEMPLATES)]
