"""The stage that finds echoes: reports of one transmission of an aircraft, heard by several feeds, get one time.

Enters the decoded reports of a live batch; leaves them with the time of whoever reported the same place first
(`tracking/live/echoes.py`), so that they have one key and are fused as reports of ships are. Without Redis they keep
their own times: more rows, none lost. Raises nothing.
"""

from __future__ import annotations

import datetime as dt
import logging

from ingest.reports import AircraftReport
from ingest.stages.work import Work
from resilience.breaker.registry import CircuitOpen
from resilience.database.sqlstate import is_outage
from tracking.live.echoes import Said, first_heard

logger = logging.getLogger(__name__)


def name_echoes(work: Work) -> None:
    """Give each report of an aircraft the time of its transmission, behind the breaker "live"."""
    if work.breakers is None:
        return
    reports = [said.position for _, said in work.decoded if isinstance(said.position, AircraftReport)]
    if not reports:
        return
    given = [
        Said(report.aircraft_id, report.latitude, report.longitude, round(report.timestamp.timestamp() * 1000))
        for report in reports
    ]
    try:
        with work.breakers("live").guard():
            times = first_heard(given)
    except CircuitOpen:
        return  # who opened it has said why
    except Exception as error:
        # Only an optimisation of history: nothing that happens here may keep a batch.
        logger.warning("echoes are not looked for: %s", error, exc_info=not is_outage(error))
        return
    for report, said, ms in zip(reports, given, times, strict=True):
        if ms != said.ms:
            _rename(report, ms)


def _rename(report: AircraftReport, ms: int) -> None:
    """A value that is as old as the transmission, or newer, has no age beside it."""
    report.timestamp = dt.datetime.fromtimestamp(ms / 1000, dt.UTC)
    report.ages = {name: age for name, age in report.ages.items() if age * 1000 < ms}
