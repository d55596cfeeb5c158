"""Real workers, as `manage.py workers` starts them: whatever is killed, everything queued is done."""

import contextlib
import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import psutil
import pytest
import redis
from django.conf import settings as configured
from django.utils import timezone
from django_q.conf import Conf
from django_q.models import Schedule
from django_q.status import Stat
from django_q.tasks import async_task
from django_redis import get_redis_connection

from resilience.breaker.registry import Breaker, RedisStore
from resilience.queue import sentinel
from resilience.queue.broker import HOUSEKEEPING, LIVE, StreamsBroker
from tests.support.patience import PATIENCE_SECONDS

pytestmark = pytest.mark.fault

ROOT = Path(__file__).resolve().parents[3]


def wait_for(claim: Callable[[], Any], what: str, seconds: float = PATIENCE_SECONDS) -> Any:
    """The first true value of `claim`; fails the test when none comes in time."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        value = claim()
        if value:
            return value
        time.sleep(0.02)
    pytest.fail(f"not within {seconds:g} s: {what}")


class Workers:
    """One `manage.py workers` in a session of its own, its queue and breakers in another Redis database."""

    def __init__(self, log: Path, task_seconds: int) -> None:
        self.run = f"test-{uuid.uuid4().hex[:12]}"
        number = 1 + int(os.environ.get("PYTEST_XDIST_WORKER", "gw0")[2:]) % 15
        get_redis_connection("queue").ping()  # starts the server
        url = f"{configured.QUEUE_REDIS_URL.partition('?')[0]}?db={number}"
        self.redis = redis.Redis.from_url(url)
        self.breaker = Breaker("database", RedisStore(self.redis))
        self.brokers = {stream: self._broker(stream) for stream in (HOUSEKEEPING, LIVE)}
        self.broker = self.brokers[HOUSEKEEPING]
        environment = {
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "tests.resilience.settings",
            "QUEUE_REDIS_URL": url,
            "TEST_CLUSTER": self.run,
            "TEST_TIMEOUT": str(task_seconds),
        }
        self.log = log
        with log.open("wb") as output:
            self.process = subprocess.Popen(
                [sys.executable, "manage.py", "workers"],
                cwd=ROOT,
                env=environment,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def _broker(self, stream: str) -> StreamsBroker:
        broker = StreamsBroker(list_key=self.run, stream=stream)
        broker.connection = self.redis
        broker._begin()
        return broker

    def put(self, task: str, *args: str, stream: str = LIVE) -> None:
        async_task(f"tests.resilience.tasks.{task}", self.run, *args, broker=self.brokers[stream])

    def done(self) -> set[str]:
        return {label.decode() for label in self.redis.smembers(f"test:{self.run}:done")}

    def wait_done(self, labels: set[str]) -> None:
        wait_for(lambda: labels <= self.done(), f"{len(labels)} tasks are done")

    def stat(self) -> Any:
        """What the sentinel says of its children, once it runs."""

        def mine() -> Any:
            found = [stat for stat in Stat.get_all(self.broker) if stat.pid == self.process.pid]
            return found[0] if found and found[0].pusher and len(found[0].workers) == Conf.WORKERS else None

        return wait_for(mine, "the workers run")

    def hold_one(self) -> int:
        """Make one worker busy until `let_go`; its process id."""
        self.put("hold", "held")
        return int(wait_for(lambda: self.redis.get(f"test:{self.run}:busy"), "a worker is busy"))

    def let_go(self) -> None:
        self.redis.set(f"test:{self.run}:go", 1)

    def children(self) -> list[psutil.Process]:
        return psutil.Process(self.process.pid).children(recursive=True)

    def remove(self) -> None:
        """Kill what is left of the session, and forget its keys."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(PATIENCE_SECONDS)
        self.breaker.reset("test", "clean up")
        self.redis.delete(*self.redis.keys(f"*{self.run}*"), "none")


@pytest.fixture
def workers(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Workers]:
    """Running workers; the parameter is how long a task may take, in seconds."""
    started = Workers(tmp_path / "workers.log", getattr(request, "param", 60))
    try:
        started.stat()
        yield started
    finally:
        started.remove()
        sys.stdout.write(started.log.read_text())  # shown when the test failed


def victim(workers: Workers, role: str, busy: int) -> int:
    stat = workers.stat()
    idle = next(pid for pid in stat.workers if pid != busy)
    return {"idle worker": idle, "busy worker": busy, "pusher": stat.pusher, "monitor": stat.monitor}[role]


@pytest.mark.parametrize("role", ["idle worker", "busy worker", "pusher", "monitor"])
def test_whichever_child_is_killed_all_tasks_are_done(workers: Workers, role: str) -> None:
    busy = workers.hold_one()
    for number in range(100):
        workers.put("note", str(number))
    os.kill(victim(workers, role, busy), signal.SIGKILL)
    for number in range(100, 200):
        workers.put("note", str(number))
    workers.let_go()
    workers.wait_done({"held", *map(str, range(200))})
    wait_for(lambda: workers.broker.lock_size() == 0, "everything is acknowledged")
    assert workers.broker.queue_size() == 0


@pytest.mark.parametrize("send", [os.kill, os.killpg], ids=["main process", "whole group"])
def test_sigterm_ends_the_tasks_in_hand_and_then_the_workers(workers: Workers, send: Callable[..., None]) -> None:
    workers.hold_one()
    send(workers.process.pid, signal.SIGTERM)
    workers.let_go()
    assert workers.process.wait(PATIENCE_SECONDS) == 0
    assert workers.done() == {"held"}
    assert (workers.broker.lock_size(), workers.broker.queue_size()) == (0, 0)


@pytest.mark.parametrize("workers", [1], indirect=True)
def test_a_frozen_worker_does_not_hold_up_the_end_for_ever_and_its_task_stays_queued(workers: Workers) -> None:
    os.kill(workers.hold_one(), signal.SIGSTOP)
    family = workers.children()
    os.kill(workers.process.pid, signal.SIGTERM)
    assert workers.process.wait(PATIENCE_SECONDS) == 1
    assert psutil.wait_procs(family, timeout=PATIENCE_SECONDS)[1] == []
    assert workers.broker.lock_size() == 1


@pytest.mark.parametrize("target", ["main", "sentinel"])
def test_no_child_outlives_its_parent(workers: Workers, target: str) -> None:
    family = workers.children()
    pid = workers.process.pid if target == "main" else workers.stat().sentinel
    os.kill(pid, signal.SIGKILL)
    _, alive = psutil.wait_procs(family, timeout=PATIENCE_SECONDS)
    assert [process.pid for process in alive if process.status() != psutil.STATUS_ZOMBIE] == []
    assert workers.process.wait(PATIENCE_SECONDS) != 0


def test_a_task_that_kills_its_worker_is_parked_and_takes_nobody_along(workers: Workers) -> None:
    workers.put("die", stream=HOUSEKEEPING)
    for number in range(30):
        workers.put("note", str(number))
    wait_for(lambda: workers.broker.depths()["parked"].waiting, "the killer is parked")
    workers.wait_done(set(map(str, range(30))))
    assert int(workers.redis.get(f"test:{workers.run}:died")) == 5
    wait_for(lambda: workers.broker.lock_size() == 0, "everything is acknowledged")
    assert workers.broker.depths()["parked"].waiting == 1


def test_a_forbidden_task_is_parked_and_a_forced_open_breaker_withholds_batches_only(workers: Workers) -> None:
    workers.breaker.trip("ada", "test")
    workers.put("note", "wake", stream=HOUSEKEEPING)  # ends the round that began before the trip
    workers.wait_done({"wake"})
    workers.put("note", "batch", stream=LIVE)
    workers.put("forbidden", stream=HOUSEKEEPING)
    for number in range(10):
        workers.put("note", str(number), stream=HOUSEKEEPING)
    workers.wait_done(set(map(str, range(10))))
    assert workers.broker.depths()["parked"].waiting == 1
    assert "batch" not in workers.done()
    workers.breaker.reset("ada", "test")
    workers.wait_done({"batch"})
    assert "forbidden" not in workers.done()


def test_workers_say_when_the_queue_does_not_answer() -> None:
    environment = {**os.environ, "DJANGO_SETTINGS_MODULE": "tests.settings", "QUEUE_REDIS_URL": "redis://127.0.0.1:1/0"}
    command = [sys.executable, "manage.py", "workers"]
    ended = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=PATIENCE_SECONDS, check=False
    )
    assert ended.returncode == 1
    assert "Does the queue's Redis answer? See QUEUE_REDIS_URL." in ended.stderr


@pytest.fixture
def idle_sentinel(monkeypatch: pytest.MonkeyPatch) -> Iterator[sentinel.SafeSentinel]:
    """A sentinel without children, in this process, on a queue of its own."""
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    broker = StreamsBroker(list_key=f"test-{uuid.uuid4().hex}")
    broker.streams.make_groups()
    yield sentinel.SafeSentinel(None, None, uuid.uuid4(), broker, timeout=60, start=False)
    broker.delete_queue()


def test_a_standstill_is_a_problem_only_if_tasks_are_in_hand_and_none_ends(
    idle_sentinel: sentinel.SafeSentinel, monkeypatch: pytest.MonkeyPatch
) -> None:
    broker, start = idle_sentinel.broker, time.monotonic()

    def look_after(seconds: float) -> str:
        with monkeypatch.context() as patch:
            patch.setattr(sentinel.time, "monotonic", lambda: start + seconds)
            return idle_sentinel._check_progress()

    assert look_after(1000) == ""
    broker.streams.add(LIVE, "one", {})
    broker.streams.add(LIVE, "two", {})
    one, _ = broker.streams.read(broker.instance, {LIVE: 2}, block_ms=10)
    assert look_after(1003) == ""
    assert look_after(1069) == ""
    broker.streams.done(LIVE, one.entry_id)
    assert look_after(1072) == ""
    assert look_after(1141) == ""
    assert look_after(1144) == "1 tasks in hand, none ended for 70 s"


@pytest.mark.django_db(transaction=True)
def test_a_due_schedule_is_queued_as_housekeeping(idle_sentinel: sentinel.SafeSentinel) -> None:
    Schedule.objects.all().delete()  # the project's own
    due = timezone.now() - timedelta(minutes=1)
    Schedule.objects.create(func="tests.resilience.tasks.note", schedule_type=Schedule.ONCE, next_run=due)
    idle_sentinel._schedule()
    assert idle_sentinel.broker.depths()[HOUSEKEEPING].waiting == 1
    idle_sentinel._schedule()
    assert idle_sentinel.broker.depths()[HOUSEKEEPING].waiting == 1


def test_a_task_is_never_run_where_it_is_added() -> None:
    sentinel.install()
    broker = StreamsBroker(list_key=f"test-{uuid.uuid4().hex}")
    async_task("os.abort", broker=broker, sync=True)
    assert broker.delete_queue() == 1
