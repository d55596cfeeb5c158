"""The line of the ledger that books a batch: inserted first, so that what follows in its transaction happens once."""

from __future__ import annotations

import datetime as dt

import msgspec
from django.db import connection

from ingest.models import Batch
from ingest.reports import MessageBatch


def ledger_entry(batch: MessageBatch) -> Batch:
    """The line of the ledger with what the collector counted."""
    return Batch(
        id=batch.id,
        run=batch.run,
        source=batch.source,
        origin=batch.origin,
        format=batch.format,
        accepted_at=dt.datetime.fromtimestamp(batch.accepted_at / 1000, dt.UTC),
        messages=len(batch.messages),
        offset=batch.offset,
        index=batch.index,
        **msgspec.structs.asdict(batch.counts),
    )


def insert_once(entry: Batch) -> bool:
    """Insert the line; whether it was not there yet. Another delivery in flight is waited for, up to its commit."""
    # Its age decides when the line is rolled up, so the time of booking is the database's, never this host's.
    fields = [field for field in Batch._meta.concrete_fields if field.name != "booked_at"]
    names = ", ".join(f'"{field.column}"' for field in fields)
    places = ", ".join(["%s"] * len(fields))
    values = [field.get_db_prep_save(getattr(entry, field.attname), connection) for field in fields]
    table = Batch._meta.db_table
    with connection.cursor() as cursor:
        cursor.execute(
            f'INSERT INTO "{table}" ({names}, booked_at) VALUES ({places}, now()) ON CONFLICT (id) DO NOTHING', values
        )
        return bool(cursor.rowcount == 1)
