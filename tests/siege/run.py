"""One siege: honest traffic, then attacks beside it, then some calm, then every honest message is looked for.

Running servers and a `SiegePlan` enter, `Verdicts` leave: the figures of the last line, and in words what did not hold.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import NamedTuple

import psycopg
import redis

from ingest.models import Feed, Format
from ingest.push.receivers import hashed, new_key
from ingest.simulator.traffic.ships import SimulatedShip, build_fleet
from resilience.breaker.registry import all_snapshots
from resilience.breaker.state import Phase
from resilience.queue.broker import StreamsBroker
from resilience.queue.streams import PARKED
from resilience.spool.spool import get_spool
from tests.chaos.outage_fleet import least_ships
from tests.chaos.stage import Stage
from tests.chaos.traffic import wait
from tests.faults.processes import free_port
from tests.faults.servers import Servers
from tests.faults.system import STOP_SECONDS, System
from tests.siege.arrivals import LATE_SECONDS, Arrivals
from tests.siege.attacks import Attack, Slow, Tally, Targets, attacks
from tests.siege.honest import ByPush, ByUdp, ConnectingByTcp, HonestSender, Sent, ServedByTcp
from tests.siege.hostile import PATHS, HostileServer
from tests.siege.hosts import NO_FAKETIME, Starvation, has_faketime, start_ahead, start_starved
from tests.siege.watch import MemoryWatch, Visitor

FEEDS = 4
WEB_SECONDS = 2.0
MOST_BYTES = 1_500_000_000  # of resident memory, of one program with its children
MOST_GROWTH = 1.5
SHARE = 0.95  # of the honest messages that must not be late
JUDGED_SECONDS = 60.0  # of attacks at least, for speed and memory to be judged
START_SECONDS = 180.0
CALM_SECONDS = 60.0
DRAIN_SECONDS = 300.0
PROGRESS_SECONDS = 15.0
# Ships whose rows PostgreSQL refuses as data, and those at which it answers that a table is missing: `mmsi % 100`.
REFUSED, BROKEN, OF = 7, 9, 100
_ADDRESSES = ("127.0.0.3", "127.0.0.4")
_HOUSEKEEPING = ("tracking.tasks.keep_house", "ingest.tasks.close_books")
_HOUSEKEEPING_SECONDS = 20.0
_RULES = (
    f"ALTER TABLE tracking_vesselposition ADD CONSTRAINT siege_refused CHECK (vessel_id % {OF} <> {REFUSED})",
    "CREATE FUNCTION siege_broken() RETURNS trigger LANGUAGE plpgsql AS "
    "$$ BEGIN RAISE EXCEPTION 'relation is missing' USING ERRCODE = '42P01'; END $$",
    "CREATE TRIGGER siege_broken BEFORE INSERT ON tracking_vesselposition FOR EACH ROW "
    f"WHEN (NEW.vessel_id % {OF} = {BROKEN}) EXECUTE FUNCTION siege_broken()",
)


class SiegePlan(NamedTuple):
    """Seconds of attacks, honest messages a second, and whether PgBouncer stands between."""

    seconds: float
    rate: float
    pooled: bool

    @property
    def is_judged(self) -> bool:
        """Whether speed and memory are: a short run may share its machine."""
        return self.seconds >= JUDGED_SECONDS


@dataclass
class Verdicts:
    """The figures, and in words what did not hold."""

    honest: int = 0
    stored: int = 0
    late: int = 0
    attacks: int = 0
    refused: int = 0
    parked: int = 0
    open_breakers: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)

    def expect(self, holds: bool, otherwise: str) -> None:
        if not holds:
            self.complaints.append(otherwise)

    def last_line(self) -> str:
        return (
            f"honest {self.honest} stored {self.stored} late {self.late}; "
            f"attacks {self.attacks} refused {self.refused} parked {self.parked}; "
            f"open breakers {len(self.open_breakers)}"
        )


def run(servers: Servers, plan: SiegePlan) -> Verdicts:
    """The whole of it."""
    servers.manage("migrate", "--database", "direct", "--no-input")
    servers.manage("partitions", "--ahead", "2")
    servers.manage("collectstatic", "--no-input")
    with psycopg.connect(servers.postgres.url(), autocommit=True) as connection:
        for statement in _RULES:
            connection.execute(statement.encode())
    settings = {"LIVE_PUBLIC": "true", "FEED_ALLOW_NETWORKS": "127.0.0.0/8", "KEEP_VESSEL_POSITIONS_DAYS": "30"}
    with System(servers, plan.pooled, **settings) as system, HostileServer() as hostile:
        siege = Siege(Stage(system, random.Random(1)), plan, hostile)
        siege.begin()
        siege.attack()
        siege.calm()
        siege.reckon()
        siege.end()
    return siege.found


class Siege:
    """The acts, to be called in the order in which they stand here; what they find is in `found`."""

    def __init__(self, stage: Stage, plan: SiegePlan, hostile: HostileServer) -> None:
        self.found = Verdicts()
        self._stage, self._plan, self._hostile = stage, plan, hostile
        self._system, self._url = stage.system, stage.system.servers.postgres.url()
        fleet = _Fleets(plan.rate)
        self._sent, self._tally = Sent(), Tally()
        self._arrivals = Arrivals(self._sent, self._url)
        self._no_attacks, self._no_watch = threading.Event(), threading.Event()
        self._keys = {label: new_key() for label in ("honest-push", "hostile-csv", "hostile-ais", "hostile-json")}
        self._sbs_port, self._listen_port, self._udp_port = free_port(2), free_port(), free_port(2)
        self._refused, self._broken = fleet.refused, fleet.broken
        rate = plan.rate / FEEDS
        tcp, listen, udp, push = fleet.honest
        self._senders: list[HonestSender] = [
            ServedByTcp("honest-tcp", tcp, rate, self._sent),
            ConnectingByTcp("honest-listen", listen, rate, self._sent, self._listen_port, _ADDRESSES[0]),
            ByUdp("honest-udp", udp, rate, self._sent, self._udp_port, _ADDRESSES[1]),
            ByPush("honest-push", push, rate, self._sent, self._system.web_port, self._keys["honest-push"]),
        ]

    def begin(self) -> None:
        """Start everything and wait until each honest feed is stored. Raises RuntimeError if one is not."""
        stage, system = self._stage, self._system
        self._make_feeds()
        if self._plan.pooled:
            system.start_pgbouncer()
        system.start_workers()
        system.start_feeds()
        system.start_web()
        self._hosts = self._wrong_hosts()
        wait(lambda: _rows("SELECT 1 FROM pg_stat_activity LIMIT 1", self._url) > 0, START_SECONDS, lambda: None)
        time.sleep(5.0)  # the UDP port is bound by now: what came before nobody would have heard
        for sender in self._senders:
            sender.start()
        labels = {sender.label for sender in self._senders}
        query = "SELECT count(DISTINCT source) FROM ingest_batch WHERE stored > 0 AND source LIKE 'honest-%'"
        if not wait(lambda: _rows(query, self._url) == len(labels), START_SECONDS, lambda: stage.say("starting")):
            raise RuntimeError(f"not all of {labels} are stored within {START_SECONDS:.0f} s: see the logs")
        self._arrivals.start()
        self._visitor, self._memory = Visitor(system.web_port, self._no_watch), MemoryWatch(system, self._no_watch)
        self._visitor.start()
        self._memory.start()
        stage.say(f"{self._plan.rate:g} honest messages a second on {FEEDS} feeds")

    def _make_feeds(self) -> None:
        feeds = [(sender.label, sender.url(), Format.NMEA) for sender in self._senders]
        feeds += [
            ("hostile-sbs", f"udp://127.0.0.1:{self._sbs_port}", Format.SBS),
            ("hostile-csv", "push://hostile-csv", Format.AIS_CSV),
            ("hostile-ais", "push://hostile-ais", Format.NMEA),
            ("hostile-json", "push://hostile-json", Format.READSB),
        ]
        for path in PATHS:
            kind = Format.NMEA if path == "lines" else Format.READSB
            feeds.append((f"hostile-{path}", f"http://127.0.0.1:{self._hostile.port}/{path}", kind))
        for label, url, kind in feeds:
            key_hash = hashed(self._keys[label]) if label in self._keys else ""
            Feed.objects.create(name=label, url=url, format=kind, source=label, key_hash=key_hash)

    def attack(self) -> None:
        """All attacks at once for as long as the plan says, with hosts that are wrong beside them."""
        stage, plan = self._stage, self._plan
        targets = Targets(
            self._system.web_port,
            self._udp_port,
            self._sbs_port,
            self._listen_port,
            {label: key for label, key in self._keys.items() if label != "honest-push"},
            self._refused,
            self._broken,
        )
        self._attackers: Sequence[Attack | Slow] = attacks(targets, self._tally, self._no_attacks)
        self._hostile.behaves = False
        self._starvation.start()
        for attacker in self._attackers:
            attacker.start()
        stage.say(f"{len(self._attackers)} attackers for {plan.seconds:.0f} s")
        ends, next_say = time.monotonic() + plan.seconds, 0.0
        while time.monotonic() < ends:
            if time.monotonic() >= next_say:
                self._progress()
                self._keep_house()
                next_say = time.monotonic() + PROGRESS_SECONDS
            time.sleep(0.5)
        self._no_attacks.set()
        for attacker in self._attackers:
            attacker.join(30.0)
        self._hostile.behaves = True

    def _wrong_hosts(self) -> ExitStack:
        """Workers of a host with a wrong clock, and of one that is to have no memory, until the stack is closed.

        To start them is no attack: they run before any."""
        hosts = ExitStack()
        starved = start_starved(self._stage)
        hosts.callback(starved.stop, STOP_SECONDS)
        self._starvation = Starvation(starved, self._no_attacks)
        if has_faketime():
            hosts.callback(start_ahead(self._stage).stop, STOP_SECONDS)
        else:
            self._stage.say(NO_FAKETIME)
        return hosts

    def _keep_house(self) -> None:
        """Have some worker do the hourly work now; the one with the wrong clock may get it."""
        from django_q.tasks import async_task  # imports models: the apps are ready now

        for task in _HOUSEKEEPING:
            async_task(task)

    def _progress(self) -> None:
        stored = _rows("SELECT coalesce(sum(stored), 0) FROM ingest_batch WHERE source LIKE 'honest-%'", self._url)
        self._stage.say(
            f"{self._sent.messages()} honest sent, {stored} rows of their feeds, "
            f"delay {self._arrivals.percentile(SHARE):.1f} s at {SHARE:.0%}, "
            f"slowest page {self._visitor.slowest()[0]:.1f} s, "
            f"{self._tally.made.total()} attacks, {self._tally.refused.total()} refused, {_waiting(self._stage)}"
        )

    def calm(self) -> None:
        """No more attacks: honest traffic goes on until everything is healed, or CALM_SECONDS are over."""
        self._hosts.close()
        self._stage.say("the attacks are over")
        wait(lambda: not _open_breakers(), CALM_SECONDS, lambda: self._stage.say(f"open: {_open_breakers()}"))
        for sender in self._senders:
            sender.stop()
            self.found.expect(not sender.problem, sender.problem)
        self._no_watch.set()

    def reckon(self) -> None:
        """When nothing waits, each honest message is looked for."""
        stage, found = self._stage, self.found
        drained = wait(lambda: not _waiting(stage), DRAIN_SECONDS, lambda: stage.say(_waiting(stage)))
        found.expect(drained, f"after {DRAIN_SECONDS:.0f} s: {_waiting(stage)}")
        time.sleep(2.0)
        self._arrivals.stop()
        found.honest, rows = self._sent.messages(), self._honest_rows()
        found.stored = sum(min(rows.get(mmsi, 0), due) for mmsi, due in self._sent.rows.items())
        twice = sum(max(0, rows.get(mmsi, 0) - due) for mmsi, due in self._sent.rows.items())
        found.expect(found.stored == found.honest, f"{found.honest - found.stored} honest messages are lost")
        found.expect(not twice, f"{twice} rows too many")
        found.late = self._arrivals.late()
        delay = self._arrivals.percentile(SHARE)
        stage.say(f"delay: {self._arrivals.percentile(0.5):.2f} s median, {delay:.2f} s at {SHARE:.0%}")
        self._judge_attacks()
        if self._plan.is_judged:
            found.expect(delay <= LATE_SECONDS, f"{1 - SHARE:.0%} of the honest messages took over {delay:.1f} s")
            self._judge_pages_and_memory()
        found.open_breakers = _open_breakers()
        found.expect(not found.open_breakers, f"open breakers: {found.open_breakers}")
        accounts = self._system.servers.manage("accounts", check=False)
        stage.say(f"manage.py accounts ends with {accounts.returncode}\n{accounts.stdout.rstrip()}")
        found.expect(not accounts.returncode, f"manage.py accounts: {accounts.stderr.strip()[-500:]}")

    def _honest_rows(self) -> dict[int, int]:
        query = "SELECT vessel_id, count(*) FROM tracking_vesselposition WHERE vessel_id = ANY(%s) GROUP BY 1"
        with psycopg.connect(self._url) as connection:
            return dict(connection.execute(query, [list(self._sent.rows)]).fetchall())

    def _judge_attacks(self) -> None:
        """What became of them: seen by their senders, in the ledger, and put aside by the queue."""
        found, made = self.found, self._tally.made + self._hostile.asked
        found.attacks = made.total()
        in_ledger = _rows(
            "SELECT coalesce(sum(dead + (SELECT coalesce(sum(value::int), 0) FROM jsonb_each_text(malformed)) "
            "+ (SELECT coalesce(sum(value::int), 0) FROM jsonb_each_text(rejected))), 0) FROM ingest_batch",
            self._url,
        )
        found.refused = self._tally.refused.total() + in_ledger
        found.parked = StreamsBroker().depths()[PARKED].waiting
        for name in sorted(made):
            self._stage.say(f"  {made[name]:6} {name}, {self._tally.refused[name]} refused in sight")
        self._stage.say(
            f"  {in_ledger} lines and messages refused in the ledger; {self._starvation.times} times no memory"
        )
        found.expect(found.parked > 0, "no batch was parked, though PostgreSQL refused some whole")

    def _judge_pages_and_memory(self) -> None:
        found, visitor = self.found, self._visitor
        seconds, page = visitor.slowest()
        self._stage.say(f"slowest page: {page} in {seconds:.2f} s; {visitor.share_within(WEB_SECONDS):.2%} within 2 s")
        found.expect(seconds <= WEB_SECONDS, f"{page} took {seconds:.1f} s")
        found.expect(not visitor.failures, f"{len(visitor.failures)} pages failed: {visitor.failures[:3]}")
        for name, seen in sorted(self._memory.bytes.items()):
            growth = self._memory.growth(name)
            self._stage.say(
                f"memory of {name}: {max(seen) / 1e6:.0f} MB at most, x{growth:.2f} from first to last third"
            )
            found.expect(max(seen) <= MOST_BYTES, f"{name} used {max(seen) / 1e6:.0f} MB")
            found.expect(growth <= MOST_GROWTH, f"{name} grew by x{growth:.2f}")

    def end(self) -> None:
        """Stop everything in good order; nobody may have ended before, but the host without memory."""
        children = self._system.children
        for name in ("web", "feeds", "workers"):
            self.found.expect(children[name].stop(), f"{name} did not end within {STOP_SECONDS:.0f} s of SIGTERM")
        for child in children.values():
            if child.name.startswith("workers-"):
                continue
            self.found.expect(not child.unexpected, f"{child.name} ended by itself: {', '.join(child.unexpected)}")


class _Fleets:
    """Ships for each honest feed, enough for its rate, and those that PostgreSQL will not take."""

    def __init__(self, rate: float) -> None:
        each = least_ships(rate / FEEDS)
        ships = build_fleet(1, max(3_000, round(FEEDS * each * 1.1)))
        self.refused = [ship for ship in ships if ship.identity.mmsi % OF == REFUSED]
        self.broken = [ship for ship in ships if ship.identity.mmsi % OF == BROKEN]
        honest = [ship for ship in ships if ship.identity.mmsi % OF not in (REFUSED, BROKEN)]
        self.honest: list[list[SimulatedShip]] = [
            honest[number * each : (number + 1) * each] for number in range(FEEDS)
        ]


def _rows(query: str, url: str) -> int:
    with psycopg.connect(url, connect_timeout=30) as connection:
        found = connection.execute(query.encode()).fetchone()
    return int(found[0]) if found else 0


def _open_breakers() -> list[str]:
    return [one.name for one in all_snapshots() if one.state.phase is not Phase.CLOSED]


def _waiting(stage: Stage) -> str:
    """What waits in queue and spool, in words; empty where nothing does."""
    try:
        queued = {name: depth for name, depth in stage.depths().items() if depth.waiting or depth.pending}
    except redis.RedisError as error:
        return f"the queue does not answer: {error}"
    spooled = get_spool().depth().entries
    return ", ".join(
        [f"{depth.waiting + depth.pending} {name}" for name, depth in queued.items()]
        + ([f"{spooled} spooled"] if spooled else [])
    )
