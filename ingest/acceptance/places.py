"""Clears the queue's Redis of what the ledger has: places of recordings whose batches are booked.

Enters the keys that `ingest/acceptance/queue.py` sets with each batch of a recording; leaves those that the ledger does
not have yet. A batch may wait in the queue for days, and its key with it. A booked place can be left to the ledger,
whose newest line of a recording stays for ever (`ingest/ledger/closed_days.py`), and whoever asks for a place looks
there last.
"""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import Iterable, Iterator, Mapping
from itertools import groupby, islice
from typing import Any

import msgspec
from django.conf import settings
from django_redis import get_redis_connection

from ingest.acceptance.contract import RESUME_PREFIX, ResumePoint, resume_key
from ingest.models import Batch
from resilience.database.deadline import deadline

logger = logging.getLogger(__name__)

CHUNK_KEYS = 500  # others wait about a millisecond behind a script that looks at so many

# KEYS: places. ARGV: what each of them was when the ledger was asked; one that has moved on since stays.
_FORGET = """
local forgotten = 0
for number, key in ipairs(KEYS) do
    if redis.call('GET', key) == ARGV[number] then forgotten = forgotten + redis.call('DEL', key) end
end
return forgotten
"""


def forget_places() -> int:
    """Delete the places that the ledger has as new or newer ones; how many. Raises redis and django.db errors."""
    queue = get_redis_connection("queue")
    forget = queue.register_script(_FORGET)
    forgotten = 0
    keys = iter(sorted(queue.scan_iter(match=f"{RESUME_PREFIX}*", count=CHUNK_KEYS, _type="string")))
    while chunk := list(islice(keys, CHUNK_KEYS)):
        said = {key.decode(): text for key, text in zip(chunk, queue.mget(chunk), strict=True) if text is not None}
        booked = list(_booked(said))
        if booked:
            forgotten += int(forget(keys=booked, args=[said[key] for key in booked]))
    return forgotten


def _booked(said: Mapping[str, bytes]) -> Iterator[str]:
    """Those of the keys, given with their values and sorted, whose place the ledger has."""
    places = {key: point for key, text in said.items() if (point := _point(key, text)) is not None}
    for source, keys in groupby(places, key=_source):
        of_source = {key: places[key] for key in keys}
        booked = _newest_places(source, min(point.accepted_at for point in of_source.values()))
        for key, point in of_source.items():
            # Of one millisecond the greater offset is the later batch, which may be waiting still.
            if key in booked and (point.accepted_at, point.offset) <= booked[key]:
                yield key


def _newest_places(source: str, since_ms: int) -> dict[str, tuple[int, int]]:
    """When the newest batch of each recording of a feed was accepted (ms), and its offset, by the key of its place.

    Recordings of which nothing was accepted since `since_ms` are left out. Goes by the index batch_resume.
    """
    since = dt.datetime.fromtimestamp(since_ms / 1000, dt.UTC)
    newest: Iterable[tuple[str, dt.datetime, Any]] = (
        Batch.objects.filter(source=source, accepted_at__gte=since, offset__isnull=False, index__isnull=False)
        .order_by("source", "origin", "-accepted_at", "-offset")
        .distinct("source", "origin")
        .values_list("origin", "accepted_at", "offset")
    )
    with deadline(settings.DATABASE_DEADLINE_SECONDS):
        return {resume_key(source, origin): (round(at.timestamp() * 1000), offset) for origin, at, offset in newest}


def _source(key: str) -> str:
    """The feed's label in a key; it may hold colons, what follows it does not."""
    return key.removeprefix(RESUME_PREFIX).rpartition(":")[0]


def _point(key: str, text: bytes) -> ResumePoint | None:
    try:
        return msgspec.json.decode(text, type=ResumePoint)
    except msgspec.DecodeError as error:
        logger.warning("%s is no place of a recording and stays: %s", key, error)
        return None
