"""Batches and rules for the tests of events: live ones, of now, with times that are given in seconds before now."""

import time
from typing import Any

from ingest import pipeline
from ingest.reports import AircraftReport, AircraftStatic, Decoded, MessageBatch
from ingest.stages.fusion import folded
from ingest.stages.live import live_updates, write_live
from ingest.stages.watch import watch_events
from ingest.stages.work import Work
from resilience import memory
from resilience.breaker.registry import in_process_breaker
from tests.support.messages import batch, position
from tracking.events.models.event import Event
from tracking.events.models.rules import Geofence, WatchedTarget, WatchList
from tracking.live.state import LiveState
from tracking.truth.notes import moment

SQUARE = {"type": "Polygon", "coordinates": [[[3.9, 51.9], [4.1, 51.9], [4.1, 52.1], [3.9, 52.1], [3.9, 51.9]]]}
SHIP = 244660123
INSIDE, OUTSIDE = {"lat": 52.0, "lon": 4.0}, {"lat": 52.0, "lon": 4.2}


def now_ms() -> int:
    return round(time.time() * 1000)


def fence(name: str = "Maasmond", **values: Any) -> Geofence:
    made = Geofence.objects.create(name=name, area=SQUARE, **values)
    memory.forget()  # as after LOOK_SECONDS
    return made


def watch_list(*identities: str, subject: str = "vessel") -> WatchList:
    made = WatchList.objects.create(name="Wanted")
    for identity in identities:
        WatchedTarget.objects.create(watch_list=made, subject=subject, identity=identity)
    memory.forget()
    return made


def hear(raws: list[bytes], before: float = 0.0) -> Work:
    """A batch of sentences through the whole pipeline, heard so many seconds ago."""
    one = batch(raws, received_at=now_ms() - round(before * 1000), step=0, live=True, recorded=False)
    return pipeline.process(one, in_process_breaker)


def sails(places: list[tuple[float, dict[str, float]]], mmsi: int = SHIP, **fields: Any) -> None:
    """One ship at places, each in a batch of its own, so many seconds ago; no place is word for word another."""
    for before, place in places:
        hear([position(mmsi=mmsi, **place | {"lat": place["lat"] + before * 1e-6}, **fields)], before)


def flies(icao: str, squawk: str | None, before: float = 0.0, **fields: Any) -> None:
    """An aircraft's report of position and squawk through the derived stages."""
    at = moment(now_ms() - round(before * 1000))
    values: dict[str, Any] = {"latitude": 52.0, "longitude": 4.0, "altitude": 30_000, "ground_speed": 400.0}
    values |= {"heading": 90.0, "vertical_rate": 0, "on_ground": False, "source": "roof", "score": 80}
    report = AircraftReport(icao, at, received_at=at, **values | fields)
    said = Decoded(position=report, static=AircraftStatic(icao, at, callsign="KLM1023", squawk=squawk))
    derive([(0, said)])


def derive(decoded: list[tuple[int, Decoded]]) -> Work:
    """The derived stages alone."""
    one: MessageBatch = batch([], live=True, recorded=False)
    work = Work(one, in_process_breaker, fused=folded(decoded))
    write_live(work)
    watch_events(work)
    return work


def kinds() -> list[tuple[str, bool]]:
    """(kind, whether it is over) of all events, the oldest first."""
    return [(event.kind, event.until is not None) for event in Event.objects.order_by("since", "kind")]


__all__ = ["INSIDE", "OUTSIDE", "SHIP", "SQUARE", "LiveState", "derive", "fence", "flies", "hear", "kinds"]
__all__ += ["live_updates", "now_ms", "sails", "watch_list"]
