"""What the judge reads: the same rows whether identities are looked up or the last minutes are read by time."""

import datetime as dt
import random
import time
from collections.abc import Iterator

import numpy as np
import pytest

from tracking.history import partitions
from tracking.models import AircraftPosition, VesselPosition
from tracking.truth import reading
from tracking.truth.models import PositionKind
from tracking.truth.notes import Key, milliseconds, moment
from tracking.truth.reading import FOREVER_MS, SOURCES, IdentitySpan, Read, read
from tracking.truth.rule import TAIL

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "direct"])

SHIPS = [211_000_000 + number for number in range(30)]
PLANES = [f"3c{number:04x}" for number in range(30)]
NUMBERS = [0] * 8 + [1, -1, -4]


@pytest.fixture
def now() -> Iterator[int]:
    at = round(time.time() * 1000)
    partitions.make({moment(at).date(), moment(at - 3_600_000).date()})
    yield at


def sow(now: int, keys: list[Key]) -> None:
    """Rows of the last minutes, some refused, some of a second track; a few of an hour ago."""
    chance = random.Random(3)
    fields = (
        ("vessel_id", "speed", "course") if isinstance(keys[0], int) else ("aircraft_id", "ground_speed", "heading")
    )
    model = VesselPosition if isinstance(keys[0], int) else AircraftPosition
    rows = []
    for key in keys:
        every = chance.choice((3, 10, 60, 600))
        for at in range(now - 900_000, now, every * 1000):
            rows.append((key, at + chance.randrange(900)))
        rows.append((key, now - 3_000_000 - chance.randrange(9000)))
    chance.shuffle(rows)
    model._default_manager.bulk_create(
        model(
            **dict(zip(fields, (key, chance.choice((None, 12.5)), chance.choice((None, 90))), strict=True)),
            timestamp=moment(at),
            received_at=moment(at),
            latitude=chance.uniform(-60, 60),
            longitude=chance.uniform(-170, 170),
            source="test",
            score=80,
            track=chance.choice(NUMBERS),
        )
        for key, at in rows
    )


def spans(now: int, keys: list[Key], since: int = 60_000) -> list[IdentitySpan]:
    """Of most of them the last minute, of a few anything."""
    chance = random.Random(5)
    found = []
    for number, key in enumerate(keys):
        begin = now - chance.randrange(since) - 1000
        if number == 7:
            begin = now - 800_000  # late
        until = FOREVER_MS if number == 8 else begin + chance.randrange(30_000)
        found.append(IdentitySpan(key, begin, until, 0 if number == 9 else TAIL))
    return found


def same(one: Read, other: Read) -> bool:
    columns = zip((*one.rows, one.part, one.number), (*other.rows, other.part, other.number), strict=True)
    return all(np.array_equal(mine, theirs, equal_nan=True) for mine, theirs in columns)


@pytest.mark.parametrize("keys", [SHIPS, PLANES], ids=["ships", "aircraft"])
def test_by_time_it_is_what_looking_up_gives(now: int, keys: list[Key], monkeypatch: pytest.MonkeyPatch) -> None:
    sow(now, keys)
    asked = spans(now, keys)
    source = SOURCES[PositionKind.VESSEL if keys is SHIPS else PositionKind.AIRCRAFT]
    one_by_one = read(source, asked)
    assert set(one_by_one.part.tolist()) == {0, 1, 2}
    monkeypatch.setattr(reading, "MANY", 1)
    looked_up = []
    look_up = reading._look_up
    monkeypatch.setattr(reading, "_look_up", lambda *given: looked_up.extend(given[2]) or look_up(*given))
    assert same(read(source, asked), one_by_one)
    assert 7 in looked_up, "a late one does not make everything since be read"
    assert 1 <= len(looked_up) < len(asked), "those of whom the last minutes say too little"
    monkeypatch.setattr(reading, "MOST_BY_TIME", 50)
    assert same(read(source, asked), one_by_one), "too many rows"


def test_the_first_beyond_the_hour_behind_is_read_alone(now: int, monkeypatch: pytest.MonkeyPatch) -> None:
    sow(now, SHIPS)
    monkeypatch.setattr(reading, "AFTER_MS", 10_000)
    asked = spans(now, SHIPS)
    source = SOURCES[PositionKind.VESSEL]
    one_by_one = read(source, asked)
    beyond = one_by_one.rows.whose[one_by_one.part == reading.BEYOND_PART]
    assert 0 < len(beyond) == len(set(beyond.tolist()))
    monkeypatch.setattr(reading, "MANY", 1)
    assert same(read(source, asked), one_by_one)


def test_of_old_rows_each_identity_is_looked_up(now: int, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = [span._replace(since=span.since - 3_000_000, until=span.until - 3_000_000) for span in spans(now, SHIPS)]
    monkeypatch.setattr(reading, "MANY", 1)
    monkeypatch.setattr(reading, "_sent", lambda source: "no rows by time: only the look-up may fail here")
    monkeypatch.setattr(reading, "_look_up", lambda *given: np.empty(0, reading._ROW))
    assert len(read(SOURCES[PositionKind.VESSEL], asked).part) == 0
    assert milliseconds(dt.datetime.now(dt.UTC)) - asked[0].since > reading.RECENT_MS
