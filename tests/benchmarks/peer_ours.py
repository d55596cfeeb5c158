"""Our side of the comparison with the Node peer: a file of decoded positions into the store, and into live state.

`python -m tests.benchmarks.peer_ours FILE [--live]` prints one line of JSON with the seconds from the first line to
the last answer. The stages are the pipeline's own: reports, fusion, `bulk_create(update_conflicts=True)`, and live
state in a thread beside the next batch, as `manage.py ingest --inline` writes it.
"""

from __future__ import annotations

import json
import os
import sys
import time
import uuid
from itertools import islice
from pathlib import Path
from typing import Any

import msgspec

BATCH = 1_000


class Position(msgspec.Struct, rename="camel"):
    """A line of the file: degrees, knots, milliseconds since the epoch; None where the line says nothing."""

    vessel_id: int
    lat: float
    lon: float
    timestamp: int
    source: str
    score: int
    speed: float | None = None
    course: float | None = None
    heading: int | None = None
    status: str | None = None


def main(arguments: list[str]) -> None:
    """Read, store, write live state, print."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tracking.settings")
    import django

    django.setup()
    from django.db import connection
    from django_redis import get_redis_connection

    from ingest.acceptance.live_thread import LiveThread
    from ingest.clocks import moment
    from ingest.reports import Decoded, MessageBatch, VesselReport
    from ingest.stages.fusion import folded
    from ingest.stages.work import Work
    from resilience.breaker.registry import in_process_breaker

    def report(at: Position) -> VesselReport:
        status = None if at.status is None else 0
        when = moment(at.timestamp)
        return VesselReport(
            at.vessel_id, when, at.lat, at.lon, at.speed, at.course, at.heading, status, when, at.source, at.score
        )

    decode = msgspec.json.Decoder(Position).decode
    live = LiveThread()
    connection.ensure_connection()
    get_redis_connection("live").ping()
    nothing = MessageBatch(uuid.uuid4(), uuid.uuid4(), "peer", "nmea", 80, 0)
    began, count = time.perf_counter(), 0
    with Path(arguments[0]).open("rb") as lines:
        while batch := [report(decode(line)) for line in islice(lines, BATCH)]:
            fused = folded((ordinal, Decoded(position=position)) for ordinal, position in enumerate(batch))
            for model, rows in fused.rows.items():
                done: Any = model._default_manager.bulk_create(rows, update_conflicts=True)
                count += done.created
            if "--live" in arguments:
                live.write(Work(nothing, in_process_breaker, fused=fused))
    live.close()
    sys.stdout.write(json.dumps({"n": count, "seconds": time.perf_counter() - began}) + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])
