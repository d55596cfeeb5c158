"""`manage.py services` and the database backend, on servers of their own."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from io import StringIO
from pathlib import Path
from typing import Any

import environ
import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.db import OperationalError

from tracking import embedded
from tracking.embedded import processes
from tracking.embedded.installation import Installation
from tracking.management.commands.services import Command
from tracking.postgresql.base import DatabaseFeatures, DatabaseWrapper

PROJECT = Path(__file__).resolve().parents[3]


@pytest.fixture
def data_dir(settings: Any) -> Iterator[Path]:
    """DATA_DIR of the settings for one test, with no server in it yet and none left afterwards."""
    place = Path(tempfile.mkdtemp(prefix="services-", dir="/tmp"))
    place.chmod(0o711)
    settings.DATA_DIR = place / "data"
    settings.EMBEDDED_POSTGRES = True
    settings.QUEUE_REDIS_URL = embedded.redis_url(settings.DATA_DIR, "queue")
    settings.LIVE_REDIS_URL = embedded.redis_url(settings.DATA_DIR, "live")
    yield settings.DATA_DIR
    embedded.stop(settings.DATA_DIR)
    shutil.rmtree(place)


def _services(*arguments: str) -> list[dict[str, Any]]:
    output = StringIO()
    call_command(Command(), *arguments, "--json", stdout=output)
    rows: list[dict[str, Any]] = json.loads(output.getvalue())
    return rows


def _wrapper(settings: Any) -> DatabaseWrapper:
    config = environ.Env.db_url_config(embedded.postgres_url(settings.DATA_DIR))
    return DatabaseWrapper({**settings.DATABASES["default"], **config, "ENGINE": "tracking.postgresql"}, "own")


def test_status_starts_nothing(data_dir: Path) -> None:
    rows = _services("status")
    assert [(row["name"], row["running"], row["pid"]) for row in rows] == [
        ("postgres", False, None),
        ("queue", False, None),
        ("live", False, None),
    ]
    assert not data_dir.exists()


def test_servers_that_an_up_needs_are_not_stopped(data_dir: Path, settings: Any) -> None:
    with Installation.locked(settings.DATA_DIR), pytest.raises(CommandError, match="Ctrl-C"):
        call_command("services", "stop")


def test_start_is_idempotent_and_stop_ends_all(data_dir: Path) -> None:
    first = _services("start")
    assert all(row["running"] and row["pid"] for row in first)
    assert _services("start") == first
    assert not any(row["running"] or row["pid"] for row in _services("stop"))


def test_the_table_says_what_runs_and_where(data_dir: Path) -> None:
    embedded.ensure_redis(data_dir, "live")
    output = StringIO()
    call_command(Command(), "status", stdout=output)
    lines = {line.split()[0]: line for line in output.getvalue().splitlines()}
    assert "running" in lines["live"]
    assert str(data_dir / "redis" / "live") in lines["live"]
    assert "stopped" in lines["postgres"]


def test_external_services_are_named_without_their_url_and_left_alone(data_dir: Path, settings: Any) -> None:
    settings.EMBEDDED_POSTGRES = False
    settings.QUEUE_REDIS_URL = "redis://user:secret@elsewhere/0"
    rows = {row["name"]: row for row in _services("start")}
    assert rows["postgres"]["external"] == "DATABASE_URL"
    assert rows["queue"]["external"] == "QUEUE_REDIS_URL"
    assert "secret" not in json.dumps(rows)
    assert rows["live"]["running"]
    assert [service.name for service in embedded.status(data_dir) if service.running] == ["live"]


def test_a_failure_is_a_command_error_that_names_the_way_out(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes.importlib.util, "find_spec", lambda _: None)
    with pytest.raises(CommandError, match="docker compose up -d"):
        _services("start")


def _connect(wrapper: DatabaseWrapper) -> Any:
    """What ensure_connection does, without the signal that looks the connection up by alias in the settings."""
    with wrapper.wrap_database_errors:
        return wrapper.get_new_connection(wrapper.get_connection_params())


def test_the_first_connection_starts_the_server_and_a_stop_stays_a_stop(data_dir: Path, settings: Any) -> None:
    with _connect(_wrapper(settings)) as connection:
        assert connection.execute("SELECT current_database()").fetchone() == ("tracking",)
    embedded.stop(data_dir)
    with pytest.raises(OperationalError):
        _connect(_wrapper(settings))
    assert not embedded.status(data_dir)[0].running


def test_a_server_that_cannot_be_started_is_an_operational_error(
    data_dir: Path, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(processes.importlib.util, "find_spec", lambda _: None)
    with pytest.raises(OperationalError, match="DATABASE_URL"):
        _connect(_wrapper(settings))


@pytest.mark.parametrize("command", [["check"], ["migrate", "--help"], ["collectstatic", "--noinput", "--dry-run"]])
def test_commands_that_need_no_data_start_nothing(data_dir: Path, command: list[str]) -> None:
    environment = {name: value for name, value in os.environ.items() if not name.endswith("_URL")}
    environment |= {"DATA_DIR": str(data_dir), "DJANGO_SETTINGS_MODULE": "tracking.settings"}
    manage = [sys.executable, str(PROJECT / "manage.py"), *command]
    result = subprocess.run(manage, env=environment, capture_output=True, text=True, timeout=60)
    assert result.returncode == 0, result.stderr
    assert not any(service.pid for service in embedded.status(data_dir))
    assert sorted(path.name for path in data_dir.iterdir()) == ["secret_key"]


def test_partitioned_models_are_grouped_by_all_their_columns(settings: Any) -> None:
    features = DatabaseFeatures(_wrapper(settings))
    partitioned = type("Partitioned", (), {"_meta": User._meta, "partitioned": True})
    assert features.allows_group_by_selected_pks_on_model(User)
    assert not features.allows_group_by_selected_pks_on_model(partitioned)
