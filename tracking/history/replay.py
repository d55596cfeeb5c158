"""The past as a film: of each target one position a step, in columns, of PostgreSQL and the archive alike.

Enters a model, a span, a box and a step in seconds; leaves a Film of whole numbers: for each target how many points,
and for each point its step and its place in units of 1/SCALE degrees, each as the difference to the one before, which
is what compresses well. The point of a step is the last position in it.

A closed hour of the world is kept as a small file beside the archive (`keep_hour`), at a step of a minute, so that an
hour of it costs one read; late rows of that hour are seen when the day is archived or the file is made anew. Without
the file the positions themselves are asked.
"""

from __future__ import annotations

import datetime as dt
import logging
import time
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from django.db import connections, transaction

from tracking.history import door, engine
from tracking.history.door import Box, HistorySpan
from tracking.history.engine import literal
from tracking.history.files.columns import KINDS, kind_of
from tracking.history.files.storage import storage
from tracking.models import Position

logger = logging.getLogger(__name__)

SCALE = 10_000  # to a degree: 11 m, less than a pixel where an hour's traffic is on the map
KEPT_STEP = 60  # seconds
HOUR = dt.timedelta(hours=1)
SETTLED = dt.timedelta(hours=1)  # after its end, an hour is made: most late reports are in
HOURS_BACK = 24  # that housekeeping makes
_COLUMNS = ("target", "step", "latitude", "longitude")


class Film(NamedTuple):
    """Targets, the number of points of each, and of all points in turn the step and place, as differences."""

    targets: list[Any]
    counts: list[int]
    steps: list[int]
    latitudes: list[int]
    longitudes: list[int]


def film(model: type[Position], start: dt.datetime, end: dt.datetime, step: int, box: Box | None) -> Film:
    """The targets between two moments, at steps of `step` seconds from `start`. Raises as `door` does."""
    return _as_film(_inside(_points(model, start, end, step), box))


def _points(model: type[Position], start: dt.datetime, end: dt.datetime, step: int) -> pa.Table:
    """One point a target and step, in order of both; of kept hours where there are some."""
    aligned = step % KEPT_STEP == 0 and start.timestamp() % KEPT_STEP == 0
    if not aligned:
        return _asked(model, start, end, step)
    parts, asked_from = [], start
    for hour in _hours(start, end):
        if (kept := _read_hour(model, hour)) is not None:
            if asked_from < hour:
                parts.append(_from_start(_asked(model, asked_from, hour, KEPT_STEP), asked_from, start))
            parts.append(_from_start(kept, hour, start))
            asked_from = hour + HOUR
    if asked_from < end:
        parts.append(_from_start(_asked(model, asked_from, end, KEPT_STEP), asked_from, start))
    return _last_of_each(pa.concat_tables(parts), step // KEPT_STEP)


def _hours(start: dt.datetime, end: dt.datetime) -> Iterator[dt.datetime]:
    """The whole hours inside."""
    hour = dt.datetime.fromtimestamp(-(-start.timestamp() // 3600) * 3600, dt.UTC)
    while hour + HOUR <= end:
        yield hour
        hour += HOUR


def _from_start(points: pa.Table, begin: dt.datetime, start: dt.datetime) -> pa.Table:
    """Steps counted from `start` that were counted from `begin`."""
    shift = round((begin - start).total_seconds()) // KEPT_STEP
    steps = points.column("step").to_numpy() + np.int32(shift)
    return points.set_column(1, "step", pa.array(steps, pa.int32()))


def _last_of_each(points: pa.Table, fold: int) -> pa.Table:
    """In order of target and step, `fold` steps as one: the last point of each."""
    steps = points.column("step").to_numpy() // fold
    targets = points.column("target").combine_chunks().dictionary_encode()
    codes = targets.indices.to_numpy()
    order = np.lexsort((points.column("step").to_numpy(), codes))
    codes, steps = codes[order], steps[order]
    last = np.ones(len(codes), bool)
    last[:-1] = (codes[1:] != codes[:-1]) | (steps[1:] != steps[:-1])
    kept = points.take(pa.array(order[last]))
    return kept.set_column(1, "step", pa.array(steps[last], pa.int32()))


_STEP = 'floor((extract(epoch FROM "timestamp")::float8 - {start}) / {step})::int'
_POINTS = """
    SELECT DISTINCT ON ("{key}", 2) "{key}", {slot}, round(latitude * {scale})::int, round(longitude * {scale})::int
    FROM {table} WHERE {condition} ORDER BY "{key}", 2, "timestamp" DESC"""
_ARCHIVED = """
    SELECT "{key}" AS target, {slot} AS step, arg_max(latitude, "timestamp") AS latitude,
        arg_max(longitude, "timestamp") AS longitude, max("timestamp") AS latest
    FROM archived WHERE {condition} GROUP BY ALL"""


def _asked(model: type[Position], start: dt.datetime, end: dt.datetime, step: int) -> pa.Table:
    """One point a target and step from the positions themselves: where both sides have one, PostgreSQL's, the later."""
    span = HistorySpan(model, start, end)
    given: dict[str, Any] = {"key": span.key, "scale": SCALE}
    with transaction.atomic(savepoint=False):
        stored = _stored_points(span, step, given)
        days = door.archived_days(span)
    if not days:
        return stored
    slot = f'CAST(floor((epoch_us("timestamp") / 1e6 - {start.timestamp()!r}) / {step}) AS INTEGER)'
    sql = _ARCHIVED.format(slot=slot, condition=span.condition(literal), **given)
    scaled = f"CAST(round({{0}} * {SCALE}) AS INTEGER) AS {{0}}"
    sql = f"SELECT target, step, {scaled.format('latitude')}, {scaled.format('longitude')} FROM ({sql})"
    with engine.batches(model, days, sql) as found:
        archived = pa.Table.from_batches([batch.cast(_schema(model)) for batch in found], _schema(model))
    return _last_of_each(pa.concat_tables([archived, stored]), 1)


def _schema(model: type[Position]) -> pa.Schema:
    identity = pa.string() if kind_of(model) == "aircraft" else pa.int32()
    return pa.schema([("target", identity), *((name, pa.int32()) for name in _COLUMNS[1:])])


def _stored_points(span: HistorySpan, step: int, given: dict[str, Any]) -> pa.Table:
    values: list[Any] = []

    def written(value: Any) -> str:
        values.append(value)
        return "%s"

    slot = _STEP.format(start=repr(span.start.timestamp()), step=step)
    table, condition = f'"{span.model._meta.db_table}"', span.condition(written)
    with connections["default"].cursor() as cursor:
        cursor.execute(_POINTS.format(slot=slot, table=table, condition=condition, **given), values)
        columns = list(zip(*cursor.fetchall(), strict=True)) or [()] * 4
    schema = _schema(span.model)
    return pa.table([pa.array(values, field.type) for values, field in zip(columns, schema, strict=True)], schema)


def _inside(points: pa.Table, box: Box | None) -> pa.Table:
    if box is None or box == (-180.0, -90.0, 180.0, 90.0):
        return points
    west, south, east, north = (edge * SCALE for edge in box)
    latitude, longitude = points.column("latitude").to_numpy(), points.column("longitude").to_numpy()
    sides = (longitude >= west, longitude <= east)
    across = np.logical_and(*sides) if west <= east else np.logical_or(*sides)
    return points.filter(pa.array((latitude >= south) & (latitude <= north) & across))


def _as_film(points: pa.Table) -> Film:
    """Differences within each target; its first point as it is."""
    encoded = points.column("target").combine_chunks().dictionary_encode()
    codes = encoded.indices.to_numpy()
    first = np.ones(len(codes), bool)
    first[1:] = codes[1:] != codes[:-1]
    starts = np.flatnonzero(first)
    counts = np.diff(np.append(starts, len(codes)))
    columns = []
    for name in _COLUMNS[1:]:
        values = points.column(name).to_numpy()
        differences = np.diff(values, prepend=0)
        differences[first] = values[first]
        columns.append(differences.tolist())
    return Film(encoded.take(pa.array(starts)).to_pylist() if len(codes) else [], counts.tolist(), *columns)


# --- kept hours -------------------------------------------------------------------------------------------------------
def _name(model: type[Position], hour: dt.datetime) -> str:
    return f"replay/kind={kind_of(model)}/day={hour:%Y-%m-%d}/hour={hour:%H}/film.parquet"


def keep_hour(model: type[Position], hour: dt.datetime) -> int:
    """Make the file of an hour; how many points. Raises as `door` does, and OSError."""
    points = _asked(model, hour, hour + HOUR, KEPT_STEP)
    place = storage()
    with place.written(_name(model, hour)) as path, place.files.open_output_stream(path) as sink:
        pq.write_table(
            points,
            sink,
            compression="zstd",
            use_dictionary=False,
            column_encoding={"latitude": "DELTA_BINARY_PACKED", "longitude": "DELTA_BINARY_PACKED"},
        )
    return points.num_rows


def _read_hour(model: type[Position], hour: dt.datetime) -> pa.Table | None:
    """The kept hour; None where there is none."""
    place = storage()
    try:
        with place.files.open_input_file(place.path(_name(model, hour))) as source:
            return pq.read_table(source).cast(_schema(model))
    except FileNotFoundError:
        return None
    except (OSError, pa.ArrowInvalid) as error:
        logger.warning("the kept hour %s cannot be read, its positions are: %s", hour, error)
        return None


def keep_hours(now: dt.datetime, seconds: float) -> int:
    """Make the files of the last closed hours that have none, for at most so long; how many. Raises as `keep_hour`."""
    began, made, place = time.monotonic(), 0, storage()
    closed = (now - SETTLED).replace(minute=0, second=0, microsecond=0)
    for back in range(1, HOURS_BACK + 1):
        for model in KINDS.values():
            if time.monotonic() - began > seconds:
                return made
            hour = closed - back * HOUR
            if not place.has(_name(model, hour)):
                keep_hour(model, hour)
                made += 1
    return made


def forget_day(model: type[Position], day: dt.date) -> None:
    """Remove the kept hours of a day whose positions have changed or gone. Raises OSError."""
    for hour in range(24):
        storage().remove(_name(model, dt.datetime.combine(day, dt.time(hour), dt.UTC)))
