"""Is this process alive, and can it do its work?

`/health/live` touches nothing, so a restart is only ordered for a process that is stuck itself. `/health/ready` asks
PostgreSQL, both Redis servers and the migrations, all at once, and answers after 2 seconds at the latest, whatever
hangs. What leaves is JSON that names kinds of errors only: texts of drivers hold hosts and users, and go to the log.
"""

import functools
import logging
import time
from collections.abc import Callable

import redis
from django.db import ProgrammingError, connections
from django.db.migrations import Migration
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder
from django.http import HttpRequest, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe
from django_redis import get_redis_connection
from psycopg.errors import UndefinedTable

from tracking.status.inquiry import Inquiry

logger = logging.getLogger(__name__)

TIMEOUT_SECONDS = 2.0


class NotReady(Exception):
    """A dependency answers, but not as it must; the text is for everybody to read."""


def _postgresql() -> None:
    with connections["default"].cursor() as cursor:
        cursor.execute("SELECT 1")


@functools.cache
def known_migrations() -> dict[tuple[str, str], Migration]:
    """The migrations on disk, (app, name) -> migration: they stay as they are while a process runs."""
    return dict(MigrationLoader(None).graph.nodes)


def _migrations() -> None:
    try:
        applied = set(MigrationRecorder(connections["default"]).migration_qs.values_list("app", "name"))
    except ProgrammingError as error:
        if not isinstance(error.__cause__, UndefinedTable):
            raise
        applied = set()  # nothing was migrated yet
    missing = [
        key
        for key, migration in known_migrations().items()
        if key not in applied and not (migration.replaces and applied.issuperset(migration.replaces))
    ]
    if missing:
        raise NotReady(f"{len(missing)} migrations are not applied: run manage.py migrate")


def _queue_redis() -> None:
    get_redis_connection("queue").ping()


def _live_redis() -> None:
    try:
        get_redis_connection("live").execute_command("JSON.GET", "tracking:check")
    except redis.ResponseError as error:
        raise NotReady("it has no RedisJSON") from error


CHECKS: dict[str, Callable[[], None]] = {
    "postgresql": _postgresql,
    "migrations": _migrations,
    "queue_redis": _queue_redis,
    "live_redis": _live_redis,
}


def ask(name: str) -> Inquiry[None]:
    """Ask one of CHECKS, or join who is asking already."""
    return Inquiry.start(f"health-{name}", CHECKS[name])


def _error(name: str, inquiry: Inquiry[None], seconds: float) -> str | None:
    """None where all is well, else what is wrong; waits for at most `seconds`."""
    if not inquiry.wait(seconds):
        return f"no answer within {TIMEOUT_SECONDS:g} s"
    try:
        inquiry.answer()
    except NotReady as error:
        return str(error)
    except Exception as error:
        logger.warning("not ready, %s: %s", name, error)
        return f"it cannot be used ({type(error).__name__})"
    return None


@never_cache
@require_safe
def live(request: HttpRequest) -> JsonResponse:
    """200: the process answers. Nothing else is asked."""
    return JsonResponse({"status": "ok"})


@never_cache
@require_safe
def ready(request: HttpRequest) -> JsonResponse:
    """200 where every dependency is well, else 503; in both cases what was found of each."""
    deadline = time.monotonic() + TIMEOUT_SECONDS
    inquiries = {name: ask(name) for name in CHECKS}
    errors = {name: _error(name, asked, deadline - time.monotonic()) for name, asked in inquiries.items()}
    found = {name: {"ok": error is None, "error": error} for name, error in errors.items()}
    if any(errors.values()):
        return JsonResponse({"status": "unavailable", "dependencies": found}, status=503, headers={"Retry-After": "5"})
    return JsonResponse({"status": "ok", "dependencies": found})
