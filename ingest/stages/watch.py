"""The stage that looks for events in what a live batch shows; what it does is in `tracking/events/watching.py`.

Enters what `ingest/stages/fusion.py` leaves, and which positions live state does not believe; where that was not
written nothing is looked at. Its failure holds no batch: what still holds is found by the next one.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from ingest.reports import AircraftReport, VesselReport
from ingest.stages.work import Work
from resilience.breaker.registry import CircuitOpen
from resilience.database.sqlstate import is_outage
from tracking.events.conditions import Seen
from tracking.events.watching import watch
from tracking.truth.models import PositionKind

logger = logging.getLogger(__name__)


def watch_events(work: Work) -> None:
    """Look at the batch, behind the breakers "live" and "database"."""
    if work.hidden is None or work.breakers is None:
        return
    try:
        watch(seen(work), work.breakers)
    except CircuitOpen as error:
        logger.debug("nobody looks for events: %s", error)  # the breaker's own line has said so
    except Exception as error:
        # The batch is committed: nothing that happens here may send it through again.
        logger.warning("a batch was not looked at for events: %s", error, exc_info=not is_outage(error))


def seen(work: Work) -> list[Seen]:
    """What the batch shows, by subject."""
    fused = work.fused
    return [
        _of(work, PositionKind.VESSEL, VesselReport, fused.vessels),
        _of(work, PositionKind.AIRCRAFT, AircraftReport, fused.aircraft),
    ]


def _of(work: Work, subject: PositionKind, kind: type[Any], sightings: Mapping[Any, Any]) -> Seen:
    positions, hidden = work.fused.positions, work.hidden or set[int]()
    mine = [index for index, (_, report) in enumerate(positions) if isinstance(report, kind)]
    unbelieved = {place for place, index in enumerate(mine) if index in hidden} if hidden else set[int]()
    return Seen(subject, [positions[index][1] for index in mine], sightings, unbelieved)
