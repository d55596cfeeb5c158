"""Health: each dependency is taken away for real, and the answer comes in time and without secrets."""

import os
import shutil
import signal
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.db import ProgrammingError, connection, connections
from django.test import Client
from psycopg.errors import InsufficientPrivilege, UndefinedTable

from tests.support.patience import PATIENCE_SECONDS, SLACK_SECONDS
from tracking import embedded
from tracking.connections import redis_pool_options
from tracking.embedded.redis import pid_of
from tracking.status import probes as health

CLOSED = "redis://:hunter2@127.0.0.1:1/0"
ALL = {"postgresql", "migrations", "queue_redis", "live_redis"}


@pytest.fixture
def own_redis() -> Iterator[Path]:
    """A data directory whose live Redis runs for this test alone."""
    place = Path(tempfile.mkdtemp(prefix="health-", dir="/tmp"))
    embedded.start(place, ["live"])
    yield place
    if pid := pid_of(place, "live"):
        os.kill(pid, signal.SIGCONT)
    embedded.stop(place, ["live"])
    shutil.rmtree(place)


def use(settings: Any, alias: str, url: str, data_dir: Path | None = None) -> None:
    pool = redis_pool_options(url, data_dir or settings.DATA_DIR, PATIENCE_SECONDS)
    options = {"CONNECTION_POOL_KWARGS": pool}
    cache = {"BACKEND": "django_redis.cache.RedisCache", "LOCATION": url, "OPTIONS": options}
    settings.CACHES = settings.CACHES | {alias: cache}


def ready() -> tuple[int, dict[str, str]]:
    """(status, the error of each dependency that has one)"""
    response = Client().get("/health/ready")
    body = response.json()
    assert set(body["dependencies"]) == ALL
    assert (body["status"] == "ok") == (response.status_code == 200)
    assert response["Cache-Control"].startswith("max-age=0")
    assert ("Retry-After" in response) == (response.status_code == 503)
    assert "hunter2" not in response.content.decode() and "127.0.0.1" not in response.content.decode()
    return response.status_code, {
        name: found["error"] for name, found in body["dependencies"].items() if not found["ok"]
    }


def test_alive_is_said_without_asking_anything(settings):
    # No django_db mark, so a query fails the test; no Redis to ask either.
    for alias in settings.CACHES:
        use(settings, alias, CLOSED)
    response = Client(HTTP_COOKIE="sessionid=abcdefghijklmnopqrstuvwxyz012345").get("/health/live")
    assert (response.status_code, response.json()) == (200, {"status": "ok"})


@pytest.mark.django_db
def test_ready_when_everything_answers():
    assert ready() == (200, {})


@pytest.mark.django_db
@pytest.mark.parametrize("alias", ["queue", "live"])
def test_a_redis_that_refuses_connections_is_named(settings, alias):
    use(settings, alias, CLOSED)
    assert ready() == (503, {f"{alias}_redis": "it cannot be used (ConnectionError)"})


@pytest.mark.django_db
def test_a_redis_that_is_stopped_while_it_is_in_use_is_named(settings, own_redis):
    use(settings, "live", embedded.redis_url(own_redis, "live"), own_redis)
    assert ready() == (200, {})
    embedded.stop(own_redis, ["live"])
    assert ready() == (503, {"live_redis": "it cannot be used (ConnectionError)"})


@pytest.mark.django_db
def test_a_frozen_redis_is_given_up_in_time_and_gathers_no_threads(settings, own_redis):
    use(settings, "live", embedded.redis_url(own_redis, "live"), own_redis)
    pid = pid_of(own_redis, "live")
    assert pid is not None
    os.kill(pid, signal.SIGSTOP)
    started = time.monotonic()
    assert ready() == (503, {"live_redis": "no answer within 2 s"})
    assert time.monotonic() - started < 2.5 + SLACK_SECONDS
    asking = health.ask("live_redis")
    assert health.ask("live_redis") is asking
    os.kill(pid, signal.SIGCONT)
    assert asking.wait(PATIENCE_SECONDS) and asking.answer() is None
    assert ready() == (200, {})


@pytest.mark.django_db
def test_a_live_redis_without_redisjson_is_named(settings):
    settings.CACHES = settings.CACHES | {"live": settings.CACHES["queue"]}
    assert ready() == (503, {"live_redis": "it has no RedisJSON"})


@pytest.mark.django_db
def test_a_postgresql_that_refuses_connections_is_named(monkeypatch):
    address = {"HOST": "127.0.0.1", "PORT": "1", "USER": "somebody", "PASSWORD": "hunter2"}
    for name, value in address.items():
        monkeypatch.setitem(connections.settings["default"], name, value)
    error = "it cannot be used (OperationalError)"
    assert ready() == (503, {"postgresql": error, "migrations": error})


@pytest.mark.django_db(transaction=True)
def test_missing_migrations_are_counted():
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM django_migrations WHERE app = 'ingest' RETURNING app, name, applied")
        rows = cursor.fetchall()
    missing = sum(app == "ingest" for app, _ in health.known_migrations())
    try:
        assert ready() == (503, {"migrations": f"{missing} migrations are not applied: run manage.py migrate"})
    finally:
        with connection.cursor() as cursor:
            cursor.executemany("INSERT INTO django_migrations (app, name, applied) VALUES (%s, %s, %s)", rows)


@pytest.mark.django_db(transaction=True)
def test_a_migration_counts_as_applied_where_all_that_it_replaces_are():
    replacing = [key for key, migration in health.known_migrations().items() if migration.replaces]
    recorder = health.MigrationRecorder(connection)
    for app, name in replacing:
        recorder.record_unapplied(app, name)
    try:
        assert replacing and ready() == (200, {})
    finally:
        for app, name in replacing:
            recorder.record_applied(app, name)


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("cause", "said"),
    [
        (UndefinedTable, f"{len(health.known_migrations())} migrations are not applied: run manage.py migrate"),
        (InsufficientPrivilege, "it cannot be used (ProgrammingError)"),
    ],
)
def test_a_database_that_was_never_migrated_is_told_from_one_that_may_not_be_read(monkeypatch, cause, said):
    def refused(recorder):
        raise ProgrammingError from cause()

    monkeypatch.setattr(health.MigrationRecorder, "migration_qs", property(refused))
    assert ready() == (503, {"migrations": said})


def test_health_is_for_reading_only():
    assert Client().post("/health/live").status_code == Client().post("/health/ready").status_code == 405
