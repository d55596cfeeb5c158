"""One run: prepare the database, start everything, break it while traffic flows, heal it, wait, and reckon.

Running servers enter, a `Reckoning` leaves. Every wait is bounded and tells how far it is.
"""

from __future__ import annotations

import random
from collections.abc import Mapping

import psycopg
import redis
from django.db import connections
from django_redis import get_redis_connection

from ingest.models import Batch, Feed, Format
from ingest.push.receivers import hashed
from resilience.breaker.state import Phase, Transition
from resilience.breaker.store import RedisStore
from resilience.spool.spool import get_spool
from tests.chaos.faults import expected_seconds, inflict
from tests.chaos.messages import POISON, POISON_OF
from tests.chaos.reckoning import Reckoning, missing_in_live, reckon
from tests.chaos.stage import Return, Stage
from tests.chaos.traffic import LINK_SECONDS, PUSH_LABEL, RECORDING_LABEL, Traffic, wait
from tests.faults.proxy import Proxy
from tests.faults.servers import Servers
from tests.faults.system import STOP_SECONDS, System
from tests.support.patience import PATIENCE_SECONDS

RESET_SECONDS = 2.0
CLOSING_SECONDS = 2.0  # after the reset time
START_SECONDS = 180.0
SEND_SECONDS = 300.0  # for what is still to be sent when everything is healed
DRAIN_SECONDS = 300.0
LIVE_SECONDS = 10.0
BUSY = 503
_LONGER_THAN_FAULTS = 1.1  # so that traffic flows at the last return, too


def run(
    servers: Servers, dice: random.Random, messages: int, scale: float, pooled: bool, environment: Mapping[str, str]
) -> Reckoning:
    """The whole of it; `scale` shortens absences, `pooled` says whether PgBouncer stands between.

    `environment` is added to that of the programs.
    """
    servers.manage("migrate", "--database", "direct", "--no-input")
    servers.manage("partitions", "--ahead", "2")
    with psycopg.connect(servers.postgres.url(), autocommit=True) as connection:
        connection.execute(
            "ALTER TABLE tracking_vesselposition "
            f"ADD CONSTRAINT chaos_poison CHECK (vessel_id % {POISON_OF} <> {POISON})"
        )
    traffic = Traffic(messages, expected_seconds(scale) * _LONGER_THAN_FAULTS, servers.directory)
    settings = {**environment, "BREAKER_RESET_SECONDS": str(RESET_SECONDS)}
    with System(servers, pooled, **settings) as system, Proxy(servers.queue.port) as link:
        link.set("ok", LINK_SECONDS)
        stage = Stage(system, dice, scale)
        _start(stage, traffic, pooled, servers.queue.url_at(link.port))
        inflict(stage)
        stage.say("everything is healed")
        found = _finish(stage, traffic)
        _judge(stage, traffic, found)
        _stop(stage, found)
    return found


def _start(stage: Stage, traffic: Traffic, pooled: bool, link: str) -> None:
    """Start everything and wait until messages flow from both ends to the database. Raises RuntimeError if not."""
    system = stage.system
    Feed.objects.create(
        name="chaos", url=f"push://{PUSH_LABEL}", format=Format.NMEA, source=PUSH_LABEL, key_hash=hashed(traffic.key)
    )
    if pooled:
        system.start_pgbouncer()
    system.start_workers()
    system.start_feeds()
    system.start_web()
    settings = {"INGEST_BATCH_SIZE": str(traffic.recorded_batch), "QUEUE_REDIS_URL": link}
    system.start_recording(traffic.path, RECORDING_LABEL, "--format", "nmea", **settings)
    traffic.start(system.web_port)
    stage.say(f"{traffic.messages} messages: {len(traffic.bodies)} pushes and a recording in {traffic.path}")
    if not wait(lambda: _flows({PUSH_LABEL, RECORDING_LABEL}), START_SECONDS, lambda: stage.say("starting")):
        raise RuntimeError(f"nothing was booked within {START_SECONDS:.0f} s: see the logs beside {traffic.path}")
    connections.close_all()


def _flows(sources: set[str]) -> bool:
    return sources <= set(Batch.objects.values_list("source", flat=True).distinct())


def _finish(stage: Stage, traffic: Traffic) -> Reckoning:
    """Let everything arrive, then count."""
    recording = stage.system.children["recording"]

    def progress() -> None:
        state = "read to its end" if recording.done.is_set() else "being read"
        stage.say(f"{traffic.accepted} messages pushed, the recording is {state}; {_depths(stage)}")

    sent = wait(lambda: traffic.pushed and recording.done.is_set(), SEND_SECONDS, progress)
    traffic.stop()
    stage.say(f"sending has ended; answers to pushes (0: none): {traffic.answers()}")
    drained = wait(lambda: _is_drained(stage), DRAIN_SECONDS, progress)
    stage.say(f"queue and spool are {'empty' if drained else 'not empty'}: {_depths(stage)}")
    found = reckon(traffic, stage.system.servers.postgres.url())
    stage.say(f"{found.sent_again} pushes were accepted again, because their answer had been lost")
    if not sent:
        found.complaints.append(f"not everything could be sent within {SEND_SECONDS:.0f} s")
    if not drained:
        found.complaints.append(f"queue and spool are not empty after {DRAIN_SECONDS:.0f} s")
    if bugs := {status: times for status, times in traffic.answers().items() if status >= 400 and status != BUSY}:
        found.complaints.append(f"pushes were answered {bugs}")
    return found


def _depths(stage: Stage) -> str:
    """What waits, in words."""
    try:
        queued = sum(depth.waiting + depth.pending for depth in stage.depths().values())
    except redis.RedisError as error:
        return f"the queue does not answer: {error}"
    return f"{queued} entries queued, {get_spool().depth().entries} spooled"


def _is_drained(stage: Stage) -> bool:
    try:
        empty = not any(depth.waiting or depth.pending for depth in stage.depths().values())
    except redis.RedisError:
        return False
    return empty and get_spool().is_empty()


def _judge(stage: Stage, traffic: Traffic, found: Reckoning) -> None:
    """The promises besides where the messages are."""
    if found.lost or found.waiting:
        found.complaints.append(f"{found.lost} messages are lost, {len(found.waiting)} wait")
    history = sorted(
        RedisStore(get_redis_connection("queue")).history("database"), key=lambda transition: transition.at
    )
    for transition in history:
        stage.say(f"breaker: {transition.from_phase} -> {transition.to_phase}, {transition.reason[:100]}")
    for back in stage.returns:
        _judge_closing(stage, back, history, found)
    heard = found.stored - set(traffic.recorded_ships)  # recordings write no live state
    patience = LIVE_SECONDS if stage.scale == 1 else PATIENCE_SECONDS
    if not wait(lambda: not missing_in_live(heard), patience, lambda: None):
        found.complaints.append(f"live state lacks {missing_in_live(heard)} of {len(heard)} ships")
    accounts = stage.system.servers.manage("accounts", check=False)
    stage.say(f"manage.py accounts ends with {accounts.returncode}\n{accounts.stdout.rstrip()}")
    if accounts.returncode:
        found.complaints.append(f"manage.py accounts: {accounts.stderr.strip()[-500:]}")


def _judge_closing(stage: Stage, back: Return, history: list[Transition], found: Reckoning) -> None:
    """How long after a return of the database the breaker closed, where it was open."""
    before = [transition for transition in history if transition.at <= back.at]
    if not before or before[-1].to_phase is Phase.CLOSED:
        stage.say(f"after {back.after}: the breaker was closed when PostgreSQL came back")
        return
    closed_at = next((one.at for one in history if one.at > back.at and one.to_phase is Phase.CLOSED), None)
    seconds = None if closed_at is None else closed_at - back.at
    stage.say(f"after {back.after}: the breaker closed {'never' if seconds is None else f'{seconds:.1f} s later'}")
    if before[-1].at < back.gone_at:
        stage.say("  which is not judged: an earlier fault had killed the probe, whose lease had to run out first")
    elif stage.scale < 1:
        stage.say("  which is not judged in a short run: it may share its machine")
    elif seconds is None or seconds > RESET_SECONDS + CLOSING_SECONDS:
        how = "did not close" if seconds is None else f"closed only {seconds:.1f} s after its return"
        found.complaints.append(f"{back.after}: the breaker {how}")


def _stop(stage: Stage, found: Reckoning) -> None:
    """Stop everything in good order, and tell who had ended without being told."""
    for name in ("feeds", "web", "workers"):
        if not stage.system.children[name].stop():
            found.complaints.append(f"{name} did not end within {STOP_SECONDS:.0f} s of SIGTERM")
    for child in stage.system.children.values():
        if child.unexpected:
            stage.say(f"{child.name} ended {len(child.unexpected)} times by itself: {', '.join(child.unexpected)}")
    if pooler := stage.system.children.get("pgbouncer"):
        stage.say(f"PgBouncer: {len(pooler.unexpected)} unexpected exits")
        if pooler.unexpected:
            found.complaints.append(f"PgBouncer ended by itself: {', '.join(pooler.unexpected)}")
