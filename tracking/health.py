"""Is this process alive, and can it do its work?

`/health/live` touches nothing, so a restart is only ordered for a process that is stuck itself. `/health/ready` asks
PostgreSQL, both Redis servers and the migrations, all at once, and answers after 2 seconds at the latest, whatever
hangs. What leaves is JSON that names kinds of errors only: texts of drivers hold hosts and users, and go to the log.
"""

import logging
import threading
import time
from collections.abc import Callable

import redis
from django.db import connections
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpRequest, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe
from django_redis import get_redis_connection

logger = logging.getLogger(__name__)

TIMEOUT_SECONDS = 2.0


class NotReady(Exception):
    """A dependency answers, but not as it must; the text is for everybody to read."""


def _postgresql() -> None:
    with connections["default"].cursor() as cursor:
        cursor.execute("SELECT 1")


def _migrations() -> None:
    executor = MigrationExecutor(connections["default"])
    missing = len(executor.migration_plan(executor.loader.graph.leaf_nodes()))
    if missing:
        raise NotReady(f"{missing} migrations are not applied: run manage.py migrate")


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


class Inquiry:
    """One question to one dependency, in a thread of its own, because no driver bounds all of its waits."""

    _asking: dict[str, "Inquiry"] = {}
    _lock = threading.Lock()

    def __init__(self, name: str) -> None:
        self.name = name
        self.error: str | None = f"no answer within {TIMEOUT_SECONDS:g} s"
        self._done = threading.Event()

    @classmethod
    def start(cls, name: str) -> "Inquiry":
        """Ask, or join who is asking already: probes must not pile up threads before a server that hangs."""
        with cls._lock:
            running = cls._asking.get(name)
            if running is not None:
                return running
            inquiry = cls._asking[name] = cls(name)
        threading.Thread(target=inquiry._run, name=f"health-{name}", daemon=True).start()
        return inquiry

    def answer(self, seconds: float) -> str | None:
        """None where all is well, else what is wrong; waits for at most `seconds`."""
        self._done.wait(seconds)
        return self.error

    def _run(self) -> None:
        try:
            CHECKS[self.name]()
            self.error = None
        except NotReady as error:
            self.error = str(error)
        except Exception as error:
            logger.warning("not ready, %s: %s", self.name, error)
            self.error = f"it cannot be used ({type(error).__name__})"
        finally:
            connections.close_all()
            with self._lock:
                del self._asking[self.name]
            self._done.set()


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
    inquiries = [Inquiry.start(name) for name in CHECKS]
    errors = {asked.name: asked.answer(max(0.0, deadline - time.monotonic())) for asked in inquiries}
    found = {name: {"ok": error is None, "error": error} for name, error in errors.items()}
    if any(errors.values()):
        return JsonResponse({"status": "unavailable", "dependencies": found}, status=503, headers={"Retry-After": "5"})
    return JsonResponse({"status": "ok", "dependencies": found})
