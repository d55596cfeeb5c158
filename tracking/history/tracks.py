"""Tracks: the positions of one identity in a range of time, whole or thinned to their outline.

Enters a model, the identity and the range; leaves plain dictionaries in order of time, of PostgreSQL and the archive
alike (`door`). Thinning is done where the rows lie: the range is cut into equal spans of time, and of each the first
and last position stay and the southernmost, northernmost, westernmost and easternmost, so a line drawn through what is
left covers the same pixels (the M4 aggregation of Jugel et al., VLDB 2014, for two axes). What is left of both sides
is thinned once more, which keeps of each span the same extremes. Every point that stays is a report as it was stored.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from tracking.history import door
from tracking.history.door import HistorySpan
from tracking.history.files.columns import columns_of

Point = dict[str, Any]

POINTS_PER_SPAN = 6


def points(span: HistorySpan, fields: Sequence[str], limit: int) -> list[Point]:
    """The first `limit` positions of one identity, in order of time.

    Plain dictionaries of `fields`: a serializer would take ten times as long over 10,000 points.
    """
    return _projected(door.positions_of(span, limit), fields)


def outline(span: HistorySpan, fields: Sequence[str], limit: int) -> list[Point]:
    """At most `limit` positions (6 at least) of one identity that show the line of all, first and last included."""
    count = max(1, limit // POINTS_PER_SPAN)
    found = door.selected(span, _postgresql(span, count), _duckdb(span, count))
    return _projected(_thinned(found, span, count), fields)


def _projected(rows: Iterable[Point], fields: Sequence[str]) -> list[Point]:
    return [{name: row[name] for name in fields} for row in rows]


def _thinned(rows: Sequence[Point], span: HistorySpan, count: int) -> list[Point]:
    """Of each span the extremes; of equal ones the first that is least and the last that is greatest, as in SQL."""
    kept: dict[int, Point] = {}
    width = (span.end - span.start) / count
    spans: dict[int, list[Point]] = {}
    for row in rows:
        spans.setdefault((row["timestamp"] - span.start) // width, []).append(row)
    for inside in spans.values():
        for axis in ("latitude", "longitude", "timestamp"):
            rank: Callable[[Point], Any] = lambda row, axis=axis: (row[axis], row["timestamp"])  # noqa: E731
            for row in (min(inside, key=rank), max(inside, key=rank)):
                kept[id(row)] = row
    return sorted(kept.values(), key=lambda row: row["timestamp"])


def _postgresql(span: HistorySpan, count: int) -> str:
    """The extremes of each span, as PostgreSQL finds them, in a statement that `door.selected` fills in."""
    extremes = ", ".join(
        f"({which}(ARRAY[{axis}, seconds]))[2]" for axis in ("latitude", "longitude") for which in ("min", "max")
    )
    return _statement(span, f"min(seconds), max(seconds), {extremes}", "unnest(ARRAY[{}])", _epoch, count)


def _duckdb(span: HistorySpan, count: int) -> str:
    """The same for DuckDB, whose arrays hold one type and whose order of structures is that of their fields."""
    axes = ("latitude", "longitude")
    extremes = ", ".join(f"arg_{which}(seconds, row({axis}, seconds))" for axis in axes for which in ("min", "max"))
    return _statement(
        span, f"min(seconds), max(seconds), {extremes}", "unnest([{}])", lambda name: f"epoch({name})", count
    )


def _epoch(name: str) -> str:
    return f"extract(epoch FROM {name})::float8"


def _statement(span: HistorySpan, extremes: str, unnest: str, epoch: Callable[[str], str], count: int) -> str:
    first, last = span.start.timestamp(), span.end.timestamp()
    bucket = f"floor((seconds - {first!r}) / {(last - first) / count!r})"
    columns = ", ".join(f'"{column.name}"' for column in columns_of(span.model))
    seconds = epoch('"timestamp"')
    return f"""
        WITH inside AS (SELECT {columns}, {seconds} AS seconds FROM {{table}} WHERE {{condition}}),
        kept AS (SELECT DISTINCT {unnest.format(extremes)} AS seconds FROM inside GROUP BY {bucket})
        SELECT {{columns}} FROM inside JOIN kept USING (seconds) ORDER BY seconds"""
