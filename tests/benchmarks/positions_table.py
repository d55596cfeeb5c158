"""A day of positions to write into, and new rows for it: what the benchmarks of the store share.

`prepare(rows)` leaves one day's partition that holds `rows` rows of VESSELS vessels; `reports(number, label, count)`
gives the rows of statement `number`, the pipeline's own structs, always the same ones and none twice. `verify` compares
what is in the table under a label with what went in.
"""

from __future__ import annotations

import datetime as dt
import random
from collections.abc import Sequence
from typing import Any

from django.core.management import call_command
from django.db import connection

from ingest.reports import VesselReport
from tests.benchmarks.frame import Unverified
from tests.benchmarks.recording import BEGAN
from tracking.history import partitions
from tracking.models import VesselPosition

PREFILLED = 1_000_000
VESSELS = 20_000
TICK_SECONDS = 10
FIRST_TICK = 7_000  # rows of statements lie in the day's last hours, those before in its first ones
FIELDS = tuple(name for name in VesselReport.__struct_fields__ if name != "coarse")  # that is no column
PARTITION = f"{VesselPosition._meta.db_table}_{BEGAN:%Y%m%d}"

_labels: list[str] = []


def prepare(rows: int = PREFILLED) -> int:
    """The day's partition with `rows` rows of VESSELS vessels, as a day's traffic fills it; the process id of our
    connection's server process. Vacuum would disturb single rounds, so it is off for this table."""
    call_command("migrate", verbosity=0)
    partitions.make([BEGAN.date()])
    with connection.cursor() as cursor:
        cursor.execute(f'ALTER TABLE "{PARTITION}" SET (autovacuum_enabled = false)')
        cursor.execute("SELECT count(*) FROM tracking_vesselposition")
        if cursor.fetchone()[0] < rows:
            cursor.execute("TRUNCATE tracking_vesselposition")
            _fill(cursor, rows)
        cursor.execute("VACUUM ANALYZE tracking_vesselposition")
        cursor.execute("CHECKPOINT")
        cursor.execute("SELECT pg_backend_pid()")
        return int(cursor.fetchone()[0])


def _fill(cursor: Any, rows: int) -> None:
    ticks = -(-rows // VESSELS)
    step = FIRST_TICK * TICK_SECONDS / ticks
    cursor.execute(
        "INSERT INTO tracking_vesselposition"
        " (vessel_id, timestamp, latitude, longitude, speed, course, heading, status, received_at, source, score)"
        " SELECT 200000000 + vessel, at, random() * 180 - 90, random() * 360 - 180, floor(random() * 300) / 10,"
        " floor(random() * 3600) / 10, floor(random() * 360), 0, at + interval '0.7 s', 'before', 80"
        " FROM (SELECT number %% %s AS vessel, %s + make_interval(secs => number / %s * %s) AS at"
        " FROM generate_series(0, %s - 1) AS number) AS given",
        [VESSELS, BEGAN, VESSELS, step, rows],
    )


def reports(number: int, label: str, count: int) -> list[VesselReport]:
    """The rows of statement `number`: the same for every label, but for the label and a millisecond of its own."""
    if label not in _labels:
        _labels.append(label)
    chance = random.Random(number)
    at = BEGAN + dt.timedelta(seconds=TICK_SECONDS * (FIRST_TICK + number), milliseconds=1 + _labels.index(label))
    received_at = at + dt.timedelta(milliseconds=700)  # one object for all, as the decoders make them
    return [_report(chance, vessel, at, received_at, label) for vessel in chance.sample(range(VESSELS), count)]


def _report(chance: random.Random, vessel: int, at: dt.datetime, received_at: dt.datetime, label: str) -> VesselReport:
    """A position as AIS gives them; a tenth without a heading, as on the air."""
    return VesselReport(
        200_000_000 + vessel,
        at,
        chance.randrange(-54_000_000, 54_000_000) / 600_000,
        chance.randrange(-108_000_000, 108_000_000) / 600_000,
        chance.randrange(300) / 10,
        chance.randrange(3600) / 10,
        chance.randrange(360) if chance.random() < 0.9 else None,
        chance.choice((0, 0, 0, 5, None)),
        received_at,
        label,
        80,
    )


def verify(label: str, numbers: Sequence[int], count: int) -> None:
    """The rows of a side are exactly those of its statements. Raises Unverified."""
    found = set(VesselPosition.objects.filter(source=label).values_list(*FIELDS))
    wanted = {
        tuple(getattr(row, name) for name in FIELDS) for number in numbers for row in reports(number, label, count)
    }
    if found != wanted or len(wanted) != len(numbers) * count:
        missing, strange = len(wanted - found), len(found - wanted)
        raise Unverified(f"{label}: {missing} of {len(wanted)} rows are missing or wrong, {strange} are strange")
