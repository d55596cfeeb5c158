"""Keeps the enabled feeds running, each with its own collector, and follows what changes in the admin.

Every RECONCILE_SECONDS the table is read: new feeds are started, disabled or changed ones are stopped and flushed. A
feed whose source cannot be used is tried again after a pause, and says so; the others go on. The same loop looks
after their health (`ingest/health/alerts.py`), sees to it that what a killed process left in this host's spool is
drained, and reaps live state, because documents expire by themselves and sets do not.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import threading
import time
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

import msgspec
import redis
from django.conf import settings
from django.db import Error as DatabaseError
from django.db import connections
from django_redis import get_redis_connection

from ingest.acceptance.contract import Interrupted, ResumePoint, ledger_deadline
from ingest.acceptance.queue import QueueAcceptance
from ingest.clocks import UnknownTime, arrival_clock, arrival_only_clock, recorded_clock
from ingest.feeds.collector import Collector, Options
from ingest.feeds.failover import needed
from ingest.formats.ais_csv.dialects import parse_columns
from ingest.formats.registry import refusal
from ingest.health.alerts import Watch
from ingest.health.reading import WatchedFeed
from ingest.health.recorder import recorder
from ingest.health.standing import Standing
from ingest.models import Feed
from ingest.push import receivers
from ingest.sources import open_source
from ingest.sources.common.contract import Source, SourceError
from ingest.sources.common.options import parse
from ingest.sources.common.urls import masked
from resilience.spool import drain
from tracking.events.encounters import EncounterWatch
from tracking.live.keeper import LiveKeeper
from tracking.live.state import LiveKind, LiveState

logger = logging.getLogger(__name__)

RECONCILE_SECONDS = 5.0
RETRY_SECONDS = 30.0
_LIVE_CLOCKS = {"auto": arrival_clock, "own": arrival_clock, "arrival": arrival_only_clock}
ALIVE_SECONDS = 60  # after which a runner that says nothing counts as gone


class Wanted(msgspec.Struct, frozen=True):
    """What of a feed matters to its collector; a change restarts it."""

    source: str
    url: str
    format: str
    score: int
    poll_seconds: float
    receiver: tuple[float, float] | None
    options: bytes = b"{}"  # JSON, to be comparable


class _Running(NamedTuple):
    """A feed that runs, and how it is stopped: `leave` asks, `give_up` ends waiting for the queue."""

    task: asyncio.Task[None]
    leave: asyncio.Event
    give_up: threading.Event
    standing: Standing


class FeedRunner:
    """Runs all enabled feeds until it is stopped."""

    def __init__(self) -> None:
        self._running: dict[Wanted, _Running] = {}
        self._watch = Watch()

    async def run(self, stop: asyncio.Event) -> None:
        """Reconcile until `stop` is set, then flush and stop all feeds.

        Meanwhile live state is kept complete, and its ships are looked at for encounters.
        """
        with LiveKeeper(), EncounterWatch():
            await self._reconcile_until(stop)

    async def _reconcile_until(self, stop: asyncio.Event) -> None:
        while not stop.is_set():
            await asyncio.to_thread(drain.look)
            wanted = await self._wanted()
            before = self._labels()
            if wanted is not None:
                await self._reconcile(wanted)
            await asyncio.to_thread(self._look_after, before - self._labels())
            await asyncio.to_thread(_reap)
            await asyncio.to_thread(_say_alive)
            try:
                await asyncio.wait_for(stop.wait(), RECONCILE_SECONDS)
            except TimeoutError:
                continue
        await self._reconcile(set())
        await asyncio.to_thread(recorder.flush)

    async def _wanted(self) -> set[Wanted] | None:
        """The enabled feeds; None when the database does not answer, which stops nothing."""
        try:
            return await asyncio.to_thread(_enabled_feeds, self._labels())
        except DatabaseError as error:
            logger.warning("the feeds cannot be read, going on with those that run: %s", error)
            return None

    async def _reconcile(self, wanted: set[Wanted]) -> None:
        stopped = {feed: self._running.pop(feed) for feed in set(self._running) - wanted}
        for feed, running in stopped.items():
            logger.info("stopping feed %s", feed.source)
            running.leave.set()
            running.give_up.set()
        await asyncio.gather(*(running.task for running in stopped.values()), return_exceptions=True)
        for feed in wanted - set(self._running):
            logger.info("starting feed %s: %s", feed.source, masked(feed.url))
            leave, give_up = asyncio.Event(), threading.Event()
            standing = Standing(feed.source, _now_ms())
            task = asyncio.create_task(_keep_collecting(feed, leave, give_up, standing))
            self._running[feed] = _Running(task, leave, give_up, standing)

    def _labels(self) -> set[str]:
        return {feed.source for feed in self._running}

    def _look_after(self, left: set[str]) -> None:
        """Tell and judge how the running feeds are; `left`: labels of those that run no more."""
        self._watch.left(sorted(left), _now_ms())
        feeds = [(_subject(feed), running.standing) for feed, running in self._running.items()]
        if feeds:
            self._watch.look(feeds, _now_ms())


async def _keep_collecting(feed: Wanted, leave: asyncio.Event, give_up: threading.Event, standing: Standing) -> None:
    """One feed for ever: what ends it is logged, and it begins again after a pause."""
    if feed.url.startswith("push://"):  # receivers bring it, and only its health is looked after here
        await leave.wait()
    while not leave.is_set():
        try:
            await _collect(feed, leave, give_up, standing)
            ended = "the source ended"
            standing.ended()
        except (SourceError, UnknownTime) as error:
            ended = str(error) or "the recording gives no times"
            standing.failed(ended)
        except Interrupted:
            ended = "stopped while neither queue nor spool answered"
            standing.failed(ended)
        except Exception:
            logger.exception("feed %s failed", feed.source)
            ended = "a bug"
            standing.failed("a bug, see the log")
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


async def _collect(feed: Wanted, leave: asyncio.Event, give_up: threading.Event, standing: Standing) -> None:
    """One run of one feed; recordings go on where they were."""
    _check_place(feed.url)
    if (reason := refusal(feed.format, urlsplit(feed.url).scheme)) is not None:
        raise SourceError(reason)
    given = parse(msgspec.json.decode(feed.options))
    source = open_source(
        feed.url,
        poll_seconds=feed.poll_seconds,
        options=msgspec.json.decode(feed.options),
        label=feed.source,
        guarded=True,
    )
    acceptance = QueueAcceptance(give_up)
    point = await asyncio.to_thread(_resume_point, acceptance, feed.source, source) if source.recorded else None
    options = Options(
        source=feed.source,
        clock=recorded_clock() if source.recorded else _LIVE_CLOCKS[given.clock],
        mend_clocks=given.clock == "auto" and not source.recorded,
        format=feed.format,
        trust=feed.score,
        recorded=source.recorded,
        live=not source.recorded,
        offset=point.offset if point else 0,
        index=point.index if point else 0,
        accepted_after=point.accepted_at if point else 0,
        receiver=feed.receiver,
        columns=parse_columns(given.columns) if given.columns else {},
        zone=given.zone,
    )
    collector = Collector(source, options, acceptance, on_accepted=recorder.accepted)
    standing.opened(source, collector.clocks)
    await collector.run(leave)


def _wanted(feed: Feed) -> Wanted:
    latitude, longitude = feed.receiver_latitude, feed.receiver_longitude
    receiver = (latitude, longitude) if latitude is not None and longitude is not None else None
    options = msgspec.json.encode(feed.options, order="sorted")
    return Wanted(feed.source, feed.url, feed.format, feed.score, feed.poll_seconds, receiver, options)


def _subject(feed: Wanted) -> WatchedFeed:
    return WatchedFeed(feed.source, True, feed.poll_seconds if feed.url.startswith(("http://", "https://")) else None)


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


def _resume_point(acceptance: QueueAcceptance, label: str, source: Source) -> ResumePoint | None:
    try:
        return acceptance.resume_point(label, source.origin)
    finally:
        connections.close_all()


def _enabled_feeds(running: set[str]) -> set[Wanted]:
    """In a thread of the loop's pool, which must not keep a connection; those that only receive among them."""
    try:
        with ledger_deadline():
            feeds = list(Feed.objects.all())
    finally:
        connections.close_all()
    _admit_receivers(feeds)
    return {_wanted(feed) for feed in needed(feeds, running)}


def _admit_receivers(feeds: list[Feed]) -> None:
    """Let receivers push to the feeds as they are now; a Redis that is away is told by the next round."""
    try:
        receivers.copy(feeds)
    except redis.RedisError as error:
        logger.debug("the feeds that receivers push to were not copied: %s", error)


def is_running_here() -> bool:
    """Whether a runner of this host has looked after its feeds lately. Raises redis.RedisError."""
    return bool(get_redis_connection("queue").exists(_alive_key()))


def _alive_key() -> str:
    return f"tracking:runner:{socket.gethostname()}"


def _say_alive() -> None:
    try:
        get_redis_connection("queue").set(_alive_key(), 1, ex=ALIVE_SECONDS)
    except redis.RedisError as error:
        logger.debug("nobody is told that the feeds run: %s", error)


def _reap() -> None:
    """Take what has expired out of the live sets; a Redis that is away is the breaker's concern, not ours."""
    try:
        for kind in LiveKind:
            LiveState(kind).reap()
    except redis.RedisError as error:
        logger.debug("live state was not reaped: %s", error)
