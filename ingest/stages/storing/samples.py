"""Samples of the messages that are refused before they are rows, so that somebody can look at what was meant.

Enters a booked batch with the messages that its stages refused; leaves some of them, raw, in `RefusedMessage`, in the
batch's transaction. Of a feed and reason SLOTS are kept: the first ones fill empty slots, later ones take the place of
others by chance of their batch. A_MINUTE of them are written by a process, so that a feed of garbage costs no more.
"""

from __future__ import annotations

import datetime as dt
from collections import OrderedDict, defaultdict
from collections.abc import Sequence
from typing import Any

from django.conf import settings
from django.db import connection

from ingest.models import RefusedMessage
from ingest.reports import MessageBatch
from resilience import memory

SLOTS = 100  # kept of a feed and reason
A_MINUTE = 20  # written of them by one process
MOST_BYTES = 4096  # of a message
CHUNK = 10_000  # of old ones, deleted at once
_MOST_KNOWN = 10_000  # feeds and reasons

_written: OrderedDict[tuple[str, str], tuple[int, int]] = OrderedDict()  # (minute, how many)
memory.forgotten_by(_written.clear)

# Those that are there already are counted: the next slots are empty. Two batches at once may count the same and then
# take each other's slot, which costs a sample and no error: rows are locked in the order of their keys.
_INSERT = f"""
    WITH given AS (
        SELECT g.*, row_number() OVER (PARTITION BY g.reason ORDER BY g.number) - 1 AS nth
        FROM unnest(%s::text[], %s::timestamptz[], %s::bytea[]) WITH ORDINALITY AS g(reason, at, raw, number)
    ), known AS (
        SELECT reason, count(*) AS count FROM {RefusedMessage._meta.db_table} WHERE source = %s GROUP BY reason
    )
    INSERT INTO {RefusedMessage._meta.db_table} (source, format, reason, slot, received_at, raw, entered_at)
    SELECT DISTINCT ON (g.reason, slot) %s, %s, g.reason,
        CASE WHEN COALESCE(k.count, 0) + g.nth < {SLOTS} THEN COALESCE(k.count, 0) + g.nth
             ELSE (%s + g.number * 31) %% {SLOTS} END AS slot, g.at, g.raw, now()
    FROM given g LEFT JOIN known k USING (reason) ORDER BY g.reason, slot
    ON CONFLICT (source, reason, slot) DO UPDATE SET (format, received_at, raw, entered_at)
        = (excluded.format, excluded.received_at, excluded.raw, excluded.entered_at)"""


def keep(batch: MessageBatch, refused: Sequence[tuple[int, str]]) -> None:
    """Keep samples of the refused messages, given as (ordinal, reason). Raises django.db errors."""
    chosen = _chosen(batch, refused)
    if not chosen:
        return
    messages = [batch.messages[ordinal] for ordinal, _ in chosen]
    columns: list[list[Any]] = [
        [reason for _, reason in chosen],
        [dt.datetime.fromtimestamp(message.received_at / 1000, dt.UTC) for message in messages],
        [message.raw[:MOST_BYTES] for message in messages],
    ]
    chance = batch.id.int % SLOTS
    with connection.cursor() as cursor:
        cursor.execute(_INSERT, [*columns, batch.source, batch.source, batch.format, chance])


def _chosen(batch: MessageBatch, refused: Sequence[tuple[int, str]]) -> list[tuple[int, str]]:
    """Those that may still be written in this minute of acceptance."""
    by_reason: defaultdict[str, list[int]] = defaultdict(list)
    for ordinal, reason in refused:
        by_reason[reason].append(ordinal)
    minute = batch.accepted_at // 60_000
    chosen: list[tuple[int, str]] = []
    for reason, ordinals in by_reason.items():
        key = batch.source, reason
        when, count = _written.pop(key, (minute, 0))
        count = count if when == minute else 0
        some = ordinals[: A_MINUTE - count]
        _written[key] = minute, count + len(some)
        chosen += [(ordinal, reason) for ordinal in some]
    while len(_written) > _MOST_KNOWN:
        _written.popitem(last=False)
    return chosen


def forget(today: dt.date) -> int:
    """Delete samples entered more than KEEP_QUARANTINE_DAYS before today; how many. Raises django.db errors."""
    days = settings.KEEP_QUARANTINE_DAYS
    if days <= 0:
        return 0
    first = today - dt.timedelta(days=min(days, today.toordinal() - 1))
    old = RefusedMessage.objects.filter(entered_at__lt=dt.datetime.combine(first, dt.time(), dt.UTC))
    return RefusedMessage.objects.filter(pk__in=old.values("pk")[:CHUNK]).delete()[0]
