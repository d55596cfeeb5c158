"""Keeps the enabled feeds running, each with its own collector, and follows what changes in the admin.

Every RECONCILE_SECONDS the table is read: new feeds are started, disabled or changed ones are stopped and flushed. A
feed whose source cannot be used is tried again after a pause, and says so; the others go on. The same loop reaps
live state, because documents expire by themselves and sets do not.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from pathlib import Path
from urllib.parse import urlsplit

import msgspec
import redis
from django.conf import settings
from django.db import Error as DatabaseError
from django.db import connections

from ingest.acceptance import Interrupted, QueueAcceptance, ResumePoint
from ingest.assembly import UnknownTime, arrival_clock, recorded_clock
from ingest.collector import Collector, Options
from ingest.models import Feed
from ingest.sources import Source, SourceError, open_source
from tracking.live import Kind, LiveState

logger = logging.getLogger(__name__)

RECONCILE_SECONDS = 5.0
RETRY_SECONDS = 30.0


class Wanted(msgspec.Struct, frozen=True):
    """What of a feed matters to its collector; a change restarts it."""

    source: str
    url: str
    format: str
    score: int
    poll_seconds: float
    receiver: tuple[float, float] | None


class FeedRunner:
    """Runs all enabled feeds until it is stopped."""

    def __init__(self) -> None:
        self._running: dict[Wanted, tuple[asyncio.Task[None], asyncio.Event, threading.Event]] = {}

    async def run(self, stop: asyncio.Event) -> None:
        """Reconcile until `stop` is set, then flush and stop all feeds."""
        while not stop.is_set():
            wanted = await self._wanted()
            if wanted is not None:
                await self._reconcile(wanted)
            await asyncio.to_thread(_reap)
            try:
                await asyncio.wait_for(stop.wait(), RECONCILE_SECONDS)
            except TimeoutError:
                continue
        await self._reconcile(set())

    async def _wanted(self) -> set[Wanted] | None:
        """The enabled feeds; None when the database does not answer, which stops nothing."""
        try:
            return await asyncio.to_thread(_enabled_feeds)
        except DatabaseError as error:
            logger.warning("the feeds cannot be read, going on with those that run: %s", error)
            return None

    async def _reconcile(self, wanted: set[Wanted]) -> None:
        stopped = [(feed, *self._running.pop(feed)) for feed in set(self._running) - wanted]
        for feed, _, leave, give_up in stopped:
            logger.info("stopping feed %s", feed.source)
            leave.set()
            give_up.set()
        await asyncio.gather(*(task for _, task, _, _ in stopped), return_exceptions=True)
        for feed in wanted - set(self._running):
            logger.info("starting feed %s: %s", feed.source, feed.url.rpartition("@")[2])
            leave, give_up = asyncio.Event(), threading.Event()
            self._running[feed] = (asyncio.create_task(_keep_collecting(feed, leave, give_up)), leave, give_up)


async def _keep_collecting(feed: Wanted, leave: asyncio.Event, give_up: threading.Event) -> None:
    """One feed for ever: what ends it is logged, and it begins again after a pause."""
    while not leave.is_set():
        try:
            await _collect(feed, leave, give_up)
            ended = "the source ended"
        except (SourceError, UnknownTime) as error:
            ended = str(error) or "the recording gives no times"
        except Interrupted:
            ended = "stopped with a batch in hand that the queue would not take"
        except Exception:
            logger.exception("feed %s failed", feed.source)
            ended = "a bug"
        if leave.is_set():
            return
        logger.warning("feed %s: %s; beginning again in %.0f s", feed.source, ended, RETRY_SECONDS)
        try:
            await asyncio.wait_for(leave.wait(), RETRY_SECONDS)
        except TimeoutError:
            continue


def _check_place(url: str) -> None:
    """Whoever may edit feeds must not read any file of this machine: only those of one directory."""
    parts = urlsplit(url)
    if parts.scheme == "file" and not Path(parts.path).resolve().is_relative_to(settings.FEED_FILES_DIR):
        raise SourceError(f"file feeds lie below {settings.FEED_FILES_DIR} (FEED_FILES_DIR)")


async def _collect(feed: Wanted, leave: asyncio.Event, give_up: threading.Event) -> None:
    """One run of one feed; recordings go on where they were."""
    _check_place(feed.url)
    source = open_source(feed.url)
    acceptance = QueueAcceptance(give_up)
    point = await asyncio.to_thread(_resume_point, acceptance, feed.source, source) if source.recorded else None
    options = Options(
        source=feed.source,
        clock=recorded_clock() if source.recorded else arrival_clock,
        format=feed.format,
        trust=feed.score,
        recorded=source.recorded,
        live=not source.recorded,
        offset=point.offset if point else 0,
        index=point.index if point else 0,
        receiver=feed.receiver,
    )
    await Collector(source, options, acceptance).run(leave)


def _wanted(feed: Feed) -> Wanted:
    latitude, longitude = feed.receiver_latitude, feed.receiver_longitude
    receiver = (latitude, longitude) if latitude is not None and longitude is not None else None
    return Wanted(feed.source, feed.url, feed.format, feed.score, feed.poll_seconds, receiver)


def _resume_point(acceptance: QueueAcceptance, label: str, source: Source) -> ResumePoint | None:
    try:
        return acceptance.resume_point(label, source.origin)
    finally:
        connections.close_all()


def _enabled_feeds() -> set[Wanted]:
    """In a thread of the loop's pool, which must not keep a connection."""
    try:
        return {_wanted(feed) for feed in Feed.objects.filter(enabled=True)}
    finally:
        connections.close_all()


def _reap() -> None:
    """Take what has expired out of the live sets; a Redis that is away is the breaker's concern, not ours."""
    try:
        for kind in Kind:
            LiveState(kind).reap()
    except redis.RedisError as error:
        logger.debug("live state was not reaped: %s", error)
