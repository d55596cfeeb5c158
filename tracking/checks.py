"""System checks: contradictions of the configuration, each with an id and a hint.

`manage.py check` reads settings only and starts no server. `manage.py check --database default` (and `migrate`) also
asks the servers: PostgreSQL 18 or later, not stopped among migrations that are one now; Redis with RedisJSON.
"""

from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

import redis
from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, Warning, register
from django.db import connections
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder
from django_redis import get_redis_connection

POSTGRES_NEEDED = 180000
SETTINGS = "tracking_settings"  # a command that asks for these alone starts faster: all checks import every view


@register(SETTINGS)
def queue_settings(**kwargs: Any) -> list[CheckMessage]:
    """A delivery must not be repeated while its first worker may still be at it."""
    cluster = settings.Q_CLUSTER
    if cluster["retry"] > cluster["timeout"]:
        return []
    hint = "Set Q_CLUSTER['retry'] above Q_CLUSTER['timeout']."
    return [
        Error("A task would be delivered again while it still runs: retry <= timeout.", hint=hint, id="tracking.E001")
    ]


@register(SETTINGS)
def live_ttl(**kwargs: Any) -> list[CheckMessage]:
    """Ships at anchor report every three minutes, so a shorter life makes them blink."""
    if settings.LIVE_TTL_SECONDS >= 400:
        return []
    hint = "A moored ship reports every 180 s; 1800 is a good value."
    return [Warning("LIVE_TTL_SECONDS loses ships between two reports.", hint=hint, id="tracking.W001")]


@register(SETTINGS)
def kept_days(**kwargs: Any) -> list[CheckMessage]:
    """A negative number of days to keep would drop what is still to come."""
    names = sorted({name for name in dir(settings) if name.startswith("KEEP_") and name.endswith("_DAYS")})
    hint = "Give a number of days, or 0 to keep everything for ever."
    return [
        Error(f"{name} is {getattr(settings, name)}: days cannot be negative.", hint=hint, id="tracking.E005")
        for name in names
        if getattr(settings, name) < 0
    ]


@register(SETTINGS)
def redis_passwords(**kwargs: Any) -> list[CheckMessage]:
    """Whoever reaches a Redis without a password may change what is accepted or shown."""
    hint = "Give Redis a user with a password, as docker-compose.yml does, and name both in the URL."
    return [
        Warning(f"{name} names a server of another host without a password.", hint=hint, id="tracking.W003")
        for name in ("QUEUE_REDIS_URL", "LIVE_REDIS_URL")
        if _is_open(getattr(settings, name))
    ]


def _is_open(url: str) -> bool:
    parts = urlsplit(url)
    local = parts.scheme == "unix" or parts.hostname in (None, "localhost", "127.0.0.1", "::1")
    return not local and not parts.password


@register(Tags.database)
def postgres_version(databases: Sequence[str] | None = None, **kwargs: Any) -> list[CheckMessage]:
    """The upsert counts created rows by old/new in RETURNING, which came with PostgreSQL 18."""
    messages: list[CheckMessage] = []
    for alias in databases or ():
        connection = connections[alias]
        connection.ensure_connection()
        if connection.pg_version < POSTGRES_NEEDED:
            text = f"Database {alias!r} is PostgreSQL {connection.pg_version // 10000}, 18 or later is needed."
            hint = "Use postgres:18, or unset DATABASE_URL for the embedded server."
            messages.append(Error(text, hint=hint, id="tracking.E003"))
    return messages


@register(Tags.database)
def joined_migrations(databases: Sequence[str] | None = None, **kwargs: Any) -> list[CheckMessage]:
    """Where only some of the migrations that another one replaces are applied, Django skips that one without a word."""
    replacing = MigrationLoader(None).replacements
    hint = (
        "Migrate with the last version that has them (git log -- '*/migrations/*'), then with this one;"
        " or begin with a new database."
    )
    messages: list[CheckMessage] = []
    for alias in databases or ():
        applied = set(MigrationRecorder(connections[alias]).applied_migrations())
        for (app, name), migration in replacing.items():
            missing = [old for _, old in migration.replaces if (app, old) not in applied]
            if 0 < len(missing) < len(migration.replaces):
                text = f"Database {alias!r} lacks migrations that {app}.{name} replaces: {', '.join(missing)}."
                messages.append(Error(text, hint=hint, id="tracking.E006"))
    return messages


@register(Tags.database)
def redis_json(databases: Sequence[str] | None = None, **kwargs: Any) -> list[CheckMessage]:
    """Live state is kept in RedisJSON documents."""
    if not databases:
        return []
    hint = "Use redis:8 (RedisJSON is built in), or unset LIVE_REDIS_URL for the embedded server."
    try:
        get_redis_connection("live").execute_command("JSON.GET", "tracking:check")
    except redis.ResponseError:
        return [Error("The live Redis has no RedisJSON.", hint=hint, id="tracking.E004")]
    except redis.RedisError as error:
        return [Warning(f"The live Redis cannot be asked: {error}", hint=hint, id="tracking.W002")]
    return []
