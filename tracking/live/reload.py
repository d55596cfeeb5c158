"""What live state is rebuilt from: the targets of the last LIVE_TTL_SECONDS, read from PostgreSQL page by page.

A kind and a span of time enter; live updates leave, to be given to `LiveState.write`, whose newer-than check makes it
safe beside live traffic. Each holds the newest position of a target, values that this position lacks from the
RECENT_ROWS before it with the time each of them has, and the static data. Stations, and targets that were heard
without a position, come too.

What is not kept in PostgreSQL does not come back: the age of a single value within its row. And a row does not say
whether it was heard live: positions of a recording whose time lies within the TTL become live by a reload.

Pages go by the identity's key, not by a server-side cursor (there is none behind a pooler) and not by `last_seen`,
which live traffic moves while the pages are read. When it is read, behind which breaker, and who writes, is the
caller's concern. Only positions of the main track come back: what was refused, and the other tracks of an identity in
dispute, move no document.
"""

import datetime as dt
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from django.db import connections

from tracking.live.state import LEAD_SECONDS, LiveKind, LiveUpdate
from tracking.positions.identities import AIRCRAFT_FIELDS, STATIC_FIELDS

TARGETS_PER_PAGE = 2000
RECENT_ROWS = 8  # how far back a value is looked for that the newest position lacks
SEEN_SLACK = dt.timedelta(minutes=2)  # `last_seen` is exact to about a minute

Key = int | str


class ReloadSpan(NamedTuple):
    """From when to when events count, aware UTC; both borders belong to it."""

    since: dt.datetime
    until: dt.datetime


class Page(NamedTuple):
    """The updates of some targets, in the order of their keys; `after` is the last key, None where nothing follows."""

    updates: list[LiveUpdate]
    after: Key | None


def span(now: dt.datetime, ttl_seconds: float) -> ReloadSpan:
    """What can be live at `now`: the TTL, and as far ahead as live state takes a report."""
    return ReloadSpan(now - dt.timedelta(seconds=ttl_seconds), now + dt.timedelta(seconds=LEAD_SECONDS))


def read(kind: LiveKind, within: ReloadSpan, after: Key | None = None, size: int = TARGETS_PER_PAGE) -> Page:
    """The next at most `size` targets with keys above `after` (None: the first) that were seen `within`.

    A target that was seen and has neither a position nor static data of that time gives no update. Raises django.db
    errors.
    """
    sql, floor, update = _SOURCES[kind]
    given = {"seen": within.since - SEEN_SLACK, **within._asdict(), "after": floor if after is None else after}
    with connections["default"].cursor() as cursor:
        cursor.execute(sql, given | {"size": size})
        names = [column.name for column in cursor.description]
        rows = [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
    updates = [made for row in rows if (made := update(row, within)) is not None]
    return Page(updates, rows[-1]["key"] if len(rows) == size else None)


def _epoch(time: str) -> str:
    """Epoch seconds as live state has them: a fifth of the CPU of a timestamp that Python takes apart."""
    return f"extract(epoch FROM {time})::float8"


def _sql(table: str, key: str, static: Sequence[str], positions: str, owner: str, dynamic: Sequence[str]) -> str:
    """Identities of a page, each with its newest position and the latest values that this one lacks.

    SELECT … FROM (identities by key) AS known
        LEFT JOIN LATERAL (newest row of the span) AS newest ON true
        LEFT JOIN LATERAL (of each value the latest in the rows before) AS older ON true
    Both look into the primary key (identity, time), and the borders of time spare all other days' partitions; `older`
    is looked up only where a value is missing.
    """
    lacks = " OR ".join(f"newest.{name} IS NULL" for name in dynamic)
    latest = ", ".join(
        f"(array_agg({name} ORDER BY at DESC) FILTER (WHERE {name} IS NOT NULL))[1] AS older_{name},"
        f" {_epoch(f'max(at) FILTER (WHERE {name} IS NOT NULL)')} AS older_{name}_at"
        for name in dynamic
    )
    identity = ", ".join(f"{name} AS static_{name}" for name in static)
    values = ", ".join(dynamic)
    newest = ", ".join(f"newest.{name}" for name in dynamic)
    place = f'FROM {positions} WHERE {owner} = known.key AND track = 0 AND "timestamp" >= %(since)s'
    return f"""
        SELECT known.*, {_epoch("newest.at")} AS ts, latitude, longitude, source, score, {newest}, older.*
        FROM (SELECT {key} AS key, {_epoch("static_at")} AS static_at, {identity}
              FROM {table} WHERE last_seen >= %(seen)s AND {key} > %(after)s ORDER BY {key} LIMIT %(size)s) AS known
        LEFT JOIN LATERAL (SELECT "timestamp" AS at, latitude, longitude, source, score, {values}
              {place} AND "timestamp" <= %(until)s ORDER BY "timestamp" DESC LIMIT 1) AS newest ON true
        LEFT JOIN LATERAL (SELECT {latest} FROM (SELECT "timestamp" AS at, {values}
              {place} AND "timestamp" < newest.at AND "timestamp" <= %(until)s AND ({lacks})
              ORDER BY "timestamp" DESC LIMIT {RECENT_ROWS}) AS recent) AS older ON true
        ORDER BY known.key"""


_VESSEL_DYNAMIC = ("speed", "course", "heading", "status")
_AIRCRAFT_DYNAMIC = ("altitude", "ground_speed", "heading", "vertical_rate", "on_ground")

_STATIONS = """
    SELECT mmsi AS key, last_seen, latitude, longitude, kind, name, aid_type FROM tracking_station
    WHERE last_seen >= %(since)s AND last_seen <= %(until)s AND mmsi > %(after)s ORDER BY mmsi LIMIT %(size)s"""


def _target(
    row: dict[str, Any], within: ReloadSpan, dynamic: Sequence[str], static: Sequence[str]
) -> LiveUpdate | None:
    known = {name: _as_json(value) for name in static if (value := row[f"static_{name}"]) not in (None, "")}
    if row["ts"] is None:
        static_at = row["static_at"]
        heard = static_at is not None and within.since.timestamp() <= static_at <= within.until.timestamp()
        return LiveUpdate(str(row["key"]), static_at, static=known) if heard else None
    update = LiveUpdate(str(row["key"]), row["ts"], row["latitude"], row["longitude"], static=known)
    update.fields = {"source": row["source"], "score": row["score"]}
    update.ages = {}
    for name in dynamic:
        if (value := row[name]) is not None:
            update.fields[name] = value
        elif (value := row[f"older_{name}"]) is not None:
            update.fields[name] = value
            update.ages[name] = row[f"older_{name}_at"]
    return update


def _vessel(row: dict[str, Any], within: ReloadSpan) -> LiveUpdate | None:
    return _target(row, within, _VESSEL_DYNAMIC, STATIC_FIELDS)


def _aircraft(row: dict[str, Any], within: ReloadSpan) -> LiveUpdate | None:
    return _target(row, within, _AIRCRAFT_DYNAMIC, AIRCRAFT_FIELDS)


def _station(row: dict[str, Any], within: ReloadSpan) -> LiveUpdate:
    static = {name: row[name] for name in ("kind", "name", "aid_type") if row[name] not in (None, "")}
    latitude, longitude = row["latitude"], row["longitude"]
    if latitude is None or longitude is None:
        latitude = longitude = None
    return LiveUpdate(str(row["key"]), row["last_seen"].timestamp(), latitude, longitude, static=static)


def _as_json(value: Any) -> Any:
    """Times in ISO 8601, as live state has them."""
    return value.isoformat() if isinstance(value, dt.datetime) else value


# The statement of a kind, a key below all others, and how a row becomes an update.
_SOURCES: dict[LiveKind, tuple[str, Key, Callable[[dict[str, Any], ReloadSpan], LiveUpdate | None]]] = {
    LiveKind.VESSEL: (
        _sql("tracking_vessel", "mmsi", STATIC_FIELDS, "tracking_vesselposition", "vessel_id", _VESSEL_DYNAMIC),
        0,
        _vessel,
    ),
    LiveKind.AIRCRAFT: (
        _sql(
            "tracking_aircraft", "icao", AIRCRAFT_FIELDS, "tracking_aircraftposition", "aircraft_id", _AIRCRAFT_DYNAMIC
        ),
        "",
        _aircraft,
    ),
    LiveKind.STATION: (_STATIONS, 0, _station),
}
