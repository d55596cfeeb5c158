"""System checks: what they refuse, what they only warn of, and that plain `check` asks no server."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from django.core.checks import run_checks
from django.core.management import CommandError, call_command
from django.core.management.base import SystemCheckError
from django.db import connections
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder

from tracking import embedded
from tracking.connections import no_retry

PROJECT = Path(__file__).resolve().parents[3]
DATABASES = ["default", "direct"]


def ids(**arguments: Any) -> set[str | None]:
    """The ids of our own messages."""
    return {found.id for found in run_checks(**arguments) if str(found.id).startswith("tracking.")}


def live_at(settings: Any, url: str, options: dict[str, Any]) -> None:
    live = {**settings.CACHES["live"], "LOCATION": url, "OPTIONS": options}
    settings.CACHES = {**settings.CACHES, "live": live}


def test_the_default_settings_have_no_complaint() -> None:
    assert ids(include_deployment_checks=True) == set()


@pytest.mark.parametrize("retry", [59, 60])
def test_a_retry_within_the_timeout_is_an_error(settings: Any, retry: int) -> None:
    settings.Q_CLUSTER = {**settings.Q_CLUSTER, "timeout": 60, "retry": retry}
    assert ids() == {"tracking.E001"}
    with pytest.raises(SystemCheckError, match="retry <= timeout"):
        call_command("check")
    settings.Q_CLUSTER = {**settings.Q_CLUSTER, "retry": 61}
    assert ids() == set()


def test_a_life_too_short_for_ships_at_anchor_is_a_warning(settings: Any) -> None:
    settings.LIVE_TTL_SECONDS = 399
    assert ids() == {"tracking.W001"}
    settings.LIVE_TTL_SECONDS = 400
    assert ids() == set()


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("redis://10.0.0.5:6379/0", {"tracking.W003"}),
        ("rediss://:secret@10.0.0.5:6379/0", set()),
        ("redis://tracking:secret@redis-live:6379/0", set()),
        ("redis://127.0.0.1:6379/0", set()),
        ("unix:///run/redis.sock?db=0", set()),
    ],
)
def test_a_redis_of_another_host_without_a_password_is_a_warning(settings: Any, url: str, expected: set[str]) -> None:
    settings.LIVE_REDIS_URL = url
    assert ids() == expected


@pytest.mark.django_db(databases=DATABASES)
def test_the_embedded_servers_pass() -> None:
    assert ids(databases=DATABASES) == set()


@pytest.mark.django_db(databases=DATABASES)
@pytest.mark.parametrize(("version", "expected"), [(170004, {"tracking.E003"}), (180000, set())])
def test_postgresql_before_18_is_an_error(monkeypatch: pytest.MonkeyPatch, version: int, expected: set[str]) -> None:
    monkeypatch.setitem(vars(connections["default"]), "pg_version", version)
    assert ids(databases=["default"]) == expected


@pytest.mark.django_db(databases=DATABASES)
def test_the_error_names_the_version_and_the_way_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(vars(connections["default"]), "pg_version", 160003)
    with pytest.raises(CommandError, match=r"(?s)'default' is PostgreSQL 16, 18 or later.*postgres:18"):
        call_command("check", databases=["default"])


@pytest.mark.django_db(databases=DATABASES)
@pytest.mark.parametrize("app", ["tracking", "ingest", "resilience"])
def test_a_database_that_stopped_among_migrations_that_are_one_now_is_an_error(app: str) -> None:
    applied = MigrationRecorder(connections["default"]).migration_qs.filter(app=app)
    [replacing] = [found for key, found in MigrationLoader(None).replacements.items() if key[0] == app]
    first, last = replacing.replaces[0][1], replacing.replaces[-1][1]
    applied.filter(name__in=[last, replacing.name]).delete()
    assert ids(databases=["default"]) == {"tracking.E006"}
    with pytest.raises(SystemCheckError, match=rf"(?s){replacing.name} replaces: {last}\..*then with this one"):
        call_command("migrate", verbosity=0, skip_checks=False)
    applied.exclude(name=first).delete()
    assert ids(databases=["default"]) == {"tracking.E006"}
    applied.delete()
    assert ids(databases=["default"]) == set()


@pytest.mark.django_db(databases=DATABASES)
def test_a_live_redis_without_redisjson_is_an_error(settings: Any) -> None:
    """The embedded queue server is such a one."""
    if embedded.redis_url(settings.DATA_DIR, "queue") != settings.QUEUE_REDIS_URL:
        pytest.skip("QUEUE_REDIS_URL or REDIS_URL is set, and that server may have RedisJSON")
    live_at(settings, settings.QUEUE_REDIS_URL, settings.CACHES["queue"]["OPTIONS"])
    assert ids(databases=["default"]) == {"tracking.E004"}


@pytest.mark.django_db(databases=DATABASES)
def test_a_live_redis_that_is_away_is_a_warning_because_live_state_may_come_later(settings: Any) -> None:
    live_at(settings, "redis://127.0.0.1:1/0", {"CONNECTION_POOL_KWARGS": {"retry": no_retry()}})
    assert ids(databases=["default"]) == {"tracking.W002"}


def test_a_plain_check_starts_no_server_and_asks_none(tmp_path: Path) -> None:
    names = ("DATABASE_URL", "DATABASE_DIRECT_URL", "REDIS_URL", "QUEUE_REDIS_URL", "LIVE_REDIS_URL")
    environment = {name: value for name, value in os.environ.items() if name not in names}
    environment |= {"DATA_DIR": str(tmp_path), "DJANGO_SETTINGS_MODULE": "tracking.settings"}
    command = [sys.executable, "manage.py", "check"]
    done = subprocess.run(
        command, cwd=PROJECT, env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    assert [status.pid for status in embedded.status(tmp_path)] == [None, None, None]
    assert {found.name for found in tmp_path.iterdir()} <= {"secret_key"}
