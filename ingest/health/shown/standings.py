"""How each feed is, as the map shows it: its state, its last message and the clocks of its stations.

Nothing enters but what the queue's Redis holds; FeedStandings leave, in the form that `tracking/map/offers.py`
describes.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

from ingest.health.reading import Health, clocks
from ingest.health.shown.sections import listed, state_of
from ingest.health.state import FeedState
from ingest.reports import StationTime
from tracking.map.offers import ClocksStanding, FeedStanding


def standings() -> list[FeedStanding]:
    """Every feed that was heard of within a day. Raises redis.RedisError."""
    now = round(time.time() * 1000)
    found = listed(now)
    stations = clocks(list(found))
    return [_standing(label, health, stations[label], now) for label, health in found.items()]


def _standing(label: str, health: Health, stations: Sequence[StationTime], now: int) -> FeedStanding:
    state, last = state_of(health, now), health.facts.last_message
    return {
        "feed": label,
        "state": str(state),
        "well": state in (FeedState.OK, FeedState.STALE_CLOCK),
        "since": last / 1000 if last else None,
        "clocks": _clocks(stations),
    }


def _clocks(stations: Sequence[StationTime]) -> ClocksStanding | None:
    """The clocks that were judged, added up; None where none was."""
    judged = [station for station in stations if station.use in ("own", "arrival")]
    if not judged:
        return None
    offsets = [station.offset_ms for station in judged if station.use == "own" and station.offset_ms]
    return {
        "stations": len(judged),
        "corrected": len(offsets),
        "ahead": max(offsets, key=abs, default=0) / 1000,
        "disbelieved": sum(station.use == "arrival" for station in judged),
    }
