"""One long outage of the database, then one of live state, under a fleet's traffic; then each message is looked for.

Running servers and a `Plan` enter, `Figures` leave. Every wait is bounded and tells how far it is.
"""

from __future__ import annotations

import os
import random
import time
from typing import NamedTuple

from django_redis import get_redis_connection

from ingest.models import Feed, Format
from resilience.breaker.state import Phase
from resilience.breaker.store import RedisStore
from tests.chaos import outage_measures as measures
from tests.chaos.outage_fleet import Fleet, FleetFeed
from tests.chaos.outage_measures import Figures
from tests.chaos.outage_pages import Pages
from tests.chaos.stage import Stage
from tests.chaos.traffic import wait
from tests.faults.servers import Servers
from tests.faults.system import STOP_SECONDS, System
from tracking.live.state import LiveKind, LiveState

RESET_SECONDS = 2.0
CLOSING_SECONDS = 2.0  # after the reset time
QUEUE_BYTES = 100_000_000  # that the queue may grow by
TIMES_ARRIVAL = 5.0  # how fast a backlog has to go
LIVE_SECONDS = 10.0  # after which live state has to be complete
STATUS_SECONDS = 0.1  # within which the status page has to answer, at the median
ASK_SECONDS = 2.0
FRESH_SECONDS = 2.0  # the queue is empty but for traffic when nothing in it is older
START_SECONDS = 180.0
LEAST_DRAIN_SECONDS = 300.0
PROGRESS_SECONDS = 30.0
JUDGED_SECONDS = 60.0  # without the database at least, for speed to be judged
_HEARD_WITHIN_MESSAGES = 25 / 6  # per ship, until the last of the quiet ones was heard
_LABEL = "outage"


class Plan(NamedTuple):
    """How long PostgreSQL and live Redis are away, messages a second, ships, and whether PgBouncer stands between."""

    away_seconds: float
    rate: float
    ships: int
    live_away_seconds: float
    pooled: bool


def run(servers: Servers, plan: Plan) -> Figures:
    """The whole of it. Raises ValueError, before anything starts, where so few ships cannot send so much."""
    feed = FleetFeed(Fleet(plan.ships), plan.rate)
    servers.manage("migrate", "--database", "direct", "--no-input")
    servers.manage("partitions", "--ahead", "2")
    settings = {
        "BREAKER_RESET_SECONDS": str(RESET_SECONDS),
        "LIVE_PUBLIC": "true",
        "FEED_ALLOW_NETWORKS": "127.0.0.0/8",  # the fleet's receiver
    }
    with System(servers, plan.pooled, **settings) as system, feed:
        outage = Outage(Stage(system, random.Random(0)), feed)
        outage.figures.speed_is_judged = plan.away_seconds >= JUDGED_SECONDS
        outage.start(plan.pooled)
        outage.database_goes(plan.away_seconds)
        outage.database_returns(plan.away_seconds)
        outage.live_goes(plan.live_away_seconds)
        outage.live_returns()
        outage.reckon()
        outage.stop()
    return outage.figures


class Outage:
    """The acts, to be called in the order in which they stand here; what they find is in `figures`."""

    def __init__(self, stage: Stage, feed: FleetFeed) -> None:
        self.figures = Figures()
        self._stage, self._feed = stage, feed
        self._servers = stage.system.servers
        self._url = self._servers.postgres.url()

    def start(self, pooled: bool) -> None:
        """Start everything and wait until the whole fleet is live. Raises RuntimeError if that does not happen."""
        stage, feed, live = self._stage, self._feed, LiveState(LiveKind.VESSEL)
        Feed.objects.create(name=_LABEL, url=f"tcp://127.0.0.1:{feed.port}", format=Format.NMEA, source=_LABEL)
        if pooled:
            stage.system.start_pgbouncer()
        stage.system.start_workers()
        stage.system.start_feeds()
        stage.system.start_web()
        ships = len(feed.fleet.ships)

        def progress() -> None:
            stage.say(f"{feed.sent} messages sent, {live.count()} of {ships} ships are live")

        limit = START_SECONDS + _HEARD_WITHIN_MESSAGES * ships / feed.rate
        if not wait(lambda: live.count() >= ships, limit, progress):
            raise RuntimeError(f"only {live.count()} of {ships} ships are live; see {stage.system.log('workers')}")
        progress()

    def database_goes(self, seconds: float) -> None:
        """PostgreSQL is killed with -9 and stays away; how much the queue grows."""
        stage, feed = self._stage, self._feed
        before, sent, gone = measures.queued(self._servers), feed.sent, time.monotonic()
        stage.say(f"PostgreSQL is killed with -9; {sent} messages sent, {measures.booked(self._url)} booked; {before}")
        self._servers.postgres.kill()
        pages, next_at = Pages(stage.system.web_port), PROGRESS_SECONDS
        while (passed := time.monotonic() - gone) < seconds:
            if passed > next_at:
                stage.say(f"{feed.sent - sent} messages since; {measures.queued(self._servers)}")
                next_at += PROGRESS_SECONDS
            pages.ask()
            time.sleep(min(ASK_SECONDS, max(0.0, seconds - passed)))
        self._judge(pages)
        after, kept, away = measures.queued(self._servers), feed.sent - sent, time.monotonic() - gone
        self.figures.grown_bytes = after.used - before.used
        self.figures.bytes_a_message = (after.stream - before.stream) / max(1, kept)
        grown = f"the queue grew by {self.figures.grown_bytes / 1e6:.1f} MB"
        stage.say(f"away for {away:.0f} s: {kept} messages, {kept / away:.0f}/s; {grown}")
        self.figures.expect(self.figures.grown_bytes < QUEUE_BYTES, grown)

    def _judge(self, pages: Pages) -> None:
        """The status page told the truth in time, and the live API went on."""
        figures = self.figures
        figures.status_seconds = pages.median_seconds
        answers = f"the status page answered {len(pages.seconds)} times"
        self._stage.say(f"{answers}, within {max(pages.seconds, default=0):.3f} s at most: PostgreSQL is {pages.state}")
        figures.expect(pages.state == "down", f"the status page says that PostgreSQL is {pages.state or 'nothing'}")
        figures.expect(not pages.failures, f"{len(pages.failures)} pages failed: {pages.failures[:3]}")
        figures.expect_speed(figures.status_seconds < STATUS_SECONDS, f"{answers} in {figures.status_seconds:.3f} s")

    def database_returns(self, away_seconds: float) -> None:
        """PostgreSQL serves again; when the breaker closes, and how fast the backlog goes while traffic goes on."""
        stage, feed, figures = self._stage, self._feed, self.figures
        self._servers.postgres.start()
        back, came_back = time.monotonic(), time.time()
        done, sent, cpu = measures.booked(self._url), feed.sent, measures.cpu_seconds(stage.system)
        stage.say(f"PostgreSQL serves again; {sent - done} messages are to be booked")

        def progress() -> None:
            booked = measures.booked(self._url) - done
            stage.say(f"{booked} messages booked since, {feed.sent - sent} sent; {measures.queued(self._servers)}")

        limit = max(LEAST_DRAIN_SECONDS, 2 * away_seconds)
        is_empty = wait(lambda: measures.oldest_seconds() < FRESH_SECONDS, limit, progress)
        booked, seconds = measures.booked(self._url) - done, time.monotonic() - back
        figures.expect(is_empty, f"the backlog is not gone after {limit:.0f} s")
        self._tell_cores(cpu, seconds)
        figures.closed_seconds = self._closing_seconds(came_back)
        draining, arrival = seconds - max(0.0, figures.closed_seconds), (feed.sent - sent) / seconds
        figures.drain_a_second = booked / max(0.1, draining)
        figures.times_arrival = figures.drain_a_second / arrival
        speed = f"{figures.drain_a_second:.0f} booked/s, {arrival:.0f} arrived/s"
        stage.say(f"{draining:.1f} s after the breaker closed the backlog is gone: {speed}")
        limit = RESET_SECONDS + CLOSING_SECONDS
        closed = f"the breaker closed after {figures.closed_seconds:.1f} s"
        figures.expect(figures.closed_seconds >= 0, "the breaker did not close")
        figures.expect_speed(figures.closed_seconds <= limit, closed)
        figures.expect_speed(figures.times_arrival >= TIMES_ARRIVAL, f"the backlog went too slowly: {speed}")

    def _tell_cores(self, before: dict[str, float], seconds: float) -> None:
        """Who was busy meanwhile: a slow machine, or one that is shared, is told from slow programs by it."""
        cores = {
            name: (spent - before.get(name, 0.0)) / seconds
            for name, spent in measures.cpu_seconds(self._stage.system).items()
        }
        shares = ", ".join(f"{name} {share:.2f}" for name, share in sorted(cores.items(), key=lambda one: -one[1]))
        load = f"load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores"
        self._stage.say(f"cores in use meanwhile: {shares}; {load}")

    def _closing_seconds(self, came_back: float) -> float:
        """Seconds from `came_back` (epoch seconds) until the breaker closed; -1 where it did not."""
        history = RedisStore(get_redis_connection("queue")).history("database")
        for one in sorted(history, key=lambda transition: transition.at):
            after = one.at - came_back
            if after > -CLOSING_SECONDS:
                self._stage.say(f"breaker at {after:+.1f} s: {one.from_phase} -> {one.to_phase}, {one.reason[:100]}")
            if after > 0 and one.to_phase is Phase.CLOSED:
                return after
        return -1.0

    def live_goes(self, seconds: float) -> None:
        """Live Redis is killed with -9 and stays away; history must go on."""
        stage, feed = self._stage, self._feed
        feed.fleet.hush()
        lacking = measures.newest_in_history(self._url)

        def is_complete() -> bool:
            nonlocal lacking
            lacking = measures.missing_from_live(lacking)
            return not lacking

        self.figures.expect_speed(
            wait(is_complete, FRESH_SECONDS, lambda: None),
            f"live state lacked {len(lacking)} ships before it was touched",
        )
        done, sent, gone = measures.booked(self._url), feed.sent, time.monotonic()
        stage.say("live Redis is killed with -9")
        self._servers.live.kill()
        time.sleep(seconds)
        grown, arrived = measures.booked(self._url) - done, feed.sent - sent
        stage.say(f"away for {time.monotonic() - gone:.0f} s: {arrived} messages sent, {grown} booked")
        figures = f"history took {grown} of {arrived} messages while live state was away"
        self.figures.expect(grown > 0, figures)
        self.figures.expect_speed(grown > 0.8 * arrived, figures)

    def live_returns(self) -> None:
        """Live Redis serves again, empty; the ships that have fallen silent can come back from history alone."""
        stage, figures = self._stage, self.figures
        self._servers.live.start()
        back = time.monotonic()
        lacking = measures.newest_in_history(self._url)
        stage.say(f"live Redis serves again; {len(lacking)} ships were heard within the TTL")
        figures.expect(len(lacking) == len(self._feed.fleet.ships), f"history knows {len(lacking)} ships only")

        def is_complete() -> bool:
            nonlocal lacking
            lacking = measures.missing_from_live(lacking)
            return not lacking

        if wait(is_complete, 6 * LIVE_SECONDS, lambda: stage.say(f"{len(lacking)} ships are missing in live state")):
            figures.live_seconds = time.monotonic() - back
        stage.say(f"live state is complete after {figures.live_seconds:.1f} s")
        how = f"live was complete after {figures.live_seconds:.1f} s"
        figures.expect(figures.live_seconds >= 0, how)
        figures.expect_speed(figures.live_seconds <= LIVE_SECONDS, how)

    def reckon(self) -> None:
        """No more traffic; when nothing waits, each message is looked for."""
        stage, feed, figures = self._stage, self._feed, self.figures
        feed.stop()
        figures.expect(not feed.problem, feed.problem)

        def is_booked() -> bool:
            waits = any(depth.waiting or depth.pending for depth in stage.depths().values())
            return not waits and measures.booked(self._url) >= feed.sent

        def progress() -> None:
            stage.say(f"{measures.booked(self._url)} of {feed.sent} messages are booked")

        if not wait(is_booked, LEAST_DRAIN_SECONDS, progress):
            figures.complaints.append(f"{measures.booked(self._url)} of {feed.sent} are booked, {stage.depths()}")
        figures.sent = feed.sent
        figures.lost, figures.duplicated, wrong = measures.account(feed.fleet, self._url)
        figures.complaints += wrong
        figures.expect(not figures.lost and not figures.duplicated, "messages are lost or there twice")
        accounts = self._servers.manage("accounts", check=False)
        stage.say(f"manage.py accounts ends with {accounts.returncode}\n{accounts.stdout.rstrip()}")
        figures.expect(not accounts.returncode, f"manage.py accounts: {accounts.stderr.strip()[-500:]}")

    def stop(self) -> None:
        """Stop everything in good order; nobody may have ended before."""
        children = self._stage.system.children
        for name in ("web", "feeds", "workers"):
            self.figures.expect(children[name].stop(), f"{name} did not end within {STOP_SECONDS:.0f} s of SIGTERM")
        for child in children.values():
            self.figures.expect(not child.unexpected, f"{child.name} ended by itself: {', '.join(child.unexpected)}")
