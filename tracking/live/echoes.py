"""Echoes: one transmission of an aircraft that several feeds heard, each with a time of its own.

Aircraft say no time, so each feed dates a report by its arrival. Enter reports; leaves for each the time of the first
report of the same place of the same aircraft within WITHIN_MS, which is its own where there was none. Whoever asks
first names it: one question to the live Redis a batch, atomic over workers.

    v2:aircraft:said:{period}   hash, ICAO address -> its last PLACES places with their times

Asked twice for the same report it gives the same time. Errors of Redis reach the caller, who has the breaker.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec
from django_redis import get_redis_connection

WITHIN_MS = 10_000
PLACES = 8  # what five feeds that are 3 s apart need, at two reports a second
PERIOD_SECONDS = 3600  # a hash has no fields that expire
_STEPS = 100_000  # to a degree: about a metre
_WIDTH = 400 * _STEPS

NAME = Path(__file__).with_name("echoes.lua").read_text()


class Said(NamedTuple):
    """A report: whose, where in degrees, and when by its feed, ms since 1970."""

    icao: str
    latitude: float
    longitude: float
    ms: int


def first_heard(reports: Sequence[Said]) -> list[int]:
    """When each transmission was first reported, ms since 1970. Raises redis.RedisError."""
    given: list[str | int] = []
    for icao, latitude, longitude, ms in reports:
        given += (icao, round((latitude + 90) * _STEPS) * _WIDTH + round((longitude + 180) * _STEPS), ms)
    client = get_redis_connection("live")
    period = int(time.time() // PERIOD_SECONDS)
    found = client.register_script(NAME)(
        keys=[f"v2:aircraft:said:{number}" for number in (period, period - 1)],
        args=[msgspec.msgpack.encode(given), WITHIN_MS, PLACES, 2 * PERIOD_SECONDS],
    )
    return [int(ms) for ms in found]
