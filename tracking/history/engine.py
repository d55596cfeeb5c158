"""Questions to archived days, answered by DuckDB over the files, in bounded memory and with few threads.

Enters a model, days that are archived, a condition and values; leaves rows as dictionaries of all the model's columns,
a few thousand at a time. DuckDB reads of a file what the question needs: the row groups whose statistics allow the
identity and the time, and of those the columns. One database a process, at most SESSIONS questions at once; whoever
comes later waits. Errors are ArchiveUnread.
"""

from __future__ import annotations

import datetime as dt
import os
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.dataset as ds
from django.conf import settings

from tracking.history.files import parquet as files
from tracking.history.files.columns import KINDS, columns_of, schema_of
from tracking.history.files.storage import storage
from tracking.models import Position

SESSIONS = 4
ROWS_AT_ONCE = 5000
_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)

_places = threading.BoundedSemaphore(SESSIONS)
_opening = threading.Lock()
_databases: dict[int, duckdb.DuckDBPyConnection] = {}  # by process id: a forked one must not be used


class ArchiveUnread(Exception):
    """The archive could not be read."""

    @property
    def is_gone(self) -> bool:
        """Whether a file is not there: its day was restored meanwhile, and the next try succeeds."""
        return isinstance(self.__cause__, FileNotFoundError) or "No files found" in str(self)


def literal(value: Any) -> str:
    """A value as DuckDB's SQL has it; the files' statistics are compared with constants only."""
    if isinstance(value, dt.datetime):
        return f"'{value.astimezone(dt.UTC).replace(tzinfo=None).isoformat(sep=' ')}+00'::TIMESTAMPTZ"
    return str(value) if isinstance(value, int | float) else "'" + str(value).replace("'", "''") + "'"


def rows(model: type[Position], days: Sequence[dt.date], sql: str) -> Iterator[dict[str, Any]]:
    """The rows that `sql` selects; in it `archived` is the table, and `{columns}` all columns in the model's order.

    Raises ArchiveUnread.
    """
    columns = columns_of(model)
    names = [column.name for column in columns]
    times = [column.name for column in columns if pa.types.is_timestamp(column.type)]
    with batches(model, days, sql.replace("{columns}", ", ".join(f'"{name}"' for name in names))) as found:
        for batch in found:
            values = batch.to_pydict()
            for name in times:
                values[name] = _instants(batch.column(name))
            yield from (
                dict(zip(names, row, strict=True)) for row in zip(*(values[name] for name in names), strict=True)
            )


def _instants(column: pa.Array) -> list[dt.datetime | None]:
    """Aware UTC datetimes. Not Arrow's own: those have another time zone object, and take ten times as long."""
    counts = column.cast(pa.timestamp("us", tz="UTC")).cast(pa.int64()).to_pylist()
    return [None if count is None else _EPOCH + dt.timedelta(microseconds=count) for count in counts]


@contextmanager
def batches(model: type[Position], days: Sequence[dt.date], sql: str) -> Iterator[Iterator[pa.RecordBatch]]:
    """What `sql` selects, as record batches, while the block lasts. Raises ArchiveUnread."""
    with _places, _session() as session:
        try:
            session.execute(f"CREATE TEMP VIEW archived AS {_source(session, model, days)}")
            yield iter(session.sql(sql).to_arrow_reader(ROWS_AT_ONCE))
        except (duckdb.Error, OSError, pa.ArrowInvalid) as error:
            raise ArchiveUnread(str(error)) from error


def _source(session: duckdb.DuckDBPyConnection, model: type[Position], days: Sequence[dt.date]) -> str:
    """The days' rows as a query: every column of today, the default of those that a file has not."""
    place = storage()
    paths = [place.path(files.name_of(model, day)) for day in days]
    if place.is_local:
        listed = ", ".join(literal(path) for path in paths)
        read = f"SELECT * FROM read_parquet([{listed}], union_by_name = true, hive_partitioning = false)"
    else:
        session.register("remote", ds.dataset(paths, schema=schema_of(model), filesystem=place.files, format="parquet"))
        read = "SELECT * FROM remote"
    given = ", ".join(
        f'coalesce("{column.name}", {literal(column.default)}) AS "{column.name}"'
        for column in columns_of(model)
        if column.default is not None
    )
    replaced = f" REPLACE ({given})" if given else ""
    return f"SELECT *{replaced} FROM (SELECT * FROM {_template(model)} UNION ALL BY NAME {read})"


def _template(model: type[Position]) -> str:
    return f"columns_of_{model._meta.model_name}"


@contextmanager
def _session() -> Iterator[duckdb.DuckDBPyConnection]:
    """A session of this process's database."""
    with _opening:
        if os.getpid() not in _databases:
            _databases[os.getpid()] = _open()
        session = _databases[os.getpid()].cursor()
    try:
        yield session
    finally:
        session.close()


def _open() -> duckdb.DuckDBPyConnection:
    configuration: Mapping[str, Any] = {
        "threads": max(1, settings.HISTORY_THREADS),
        "memory_limit": f"{settings.HISTORY_MEMORY_MB}MB",
        "temp_directory": str(settings.DATA_DIR / "history"),  # where a question that needs more goes on
        "autoinstall_known_extensions": False,  # nothing is fetched from anywhere
        "parquet_metadata_cache": False,  # a day that is archived anew is another file of the same name
    }
    database = duckdb.connect(":memory:", config={})
    for name, value in configuration.items():
        with suppress(duckdb.CatalogException):  # a setting that this version has not
            database.execute(f"SET {name} = {literal(str(value))}")
    database.execute("SET TimeZone = 'UTC'")
    for model in KINDS.values():
        database.register("empty", schema_of(model).empty_table())
        database.execute(f"CREATE TABLE {_template(model)} AS SELECT * FROM empty")
        database.unregister("empty")
    return database
