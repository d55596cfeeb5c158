"""What registers say of some addresses: one question for all that this process does not remember.

Addresses enter; what is known leaves, by address. Views of PostgreSQL ask `of`. Live views ask `remembered`, which
never waits longer than WAIT_SECONDS for PostgreSQL, and not at all for a while after it failed: then what is remembered
has to do. A key in the live Redis says that there are registers and when the last one came; without it nothing is
asked, and what is remembered begins anew when it changes.

Several registers may know an aircraft: each value is that of the one that was imported last and has it.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Collection
from typing import Any

import msgspec
import redis
from django.db import Error as DatabaseError
from django.db import close_old_connections, connection
from django_redis import get_redis_connection

from resilience.database.deadline import deadline
from tracking.registry.models import RegisteredAircraft

logger = logging.getLogger(__name__)

KEY = "v2:registry"
WAIT_SECONDS = 0.5
AWAY_SECONDS = 10.0
LOOK_SECONDS = 2.0  # between two looks at the key
MOST_REMEMBERED = 200_000  # some 200 bytes each
MOST_ASKED = 1_000  # addresses in one question; the others have their turn with the next call
_FIELDS = ("registration", "type_code", "operator")
# An array is planned in no time; thousands of parameters are not.
_ASK = """
SELECT icao, military, registration, type_code, operator FROM {table} WHERE icao = ANY(%s) ORDER BY imported_at, source
"""


class Registered(msgspec.Struct, frozen=True, omit_defaults=True):
    """What registers know of an aircraft; empty where none says it."""

    registration: str = ""
    type_code: str = ""
    operator: str = ""
    military: bool = False


UNKNOWN = Registered()


def of(addresses: Collection[str]) -> dict[str, Registered]:
    """Those of the addresses that a register has, asked now. Raises django.db errors."""
    found: dict[str, dict[str, Any]] = {}
    with connection.cursor() as cursor:
        cursor.execute(_ASK.format(table=RegisteredAircraft._meta.db_table), [list(addresses)])
        rows = cursor.fetchall()
    for icao, military, *texts in rows:
        known = found.setdefault(icao, {})
        known |= {name: text for name, text in zip(_FIELDS, texts, strict=True) if text}
        known["military"] = military or known.get("military", False)
    return {icao: Registered(**known) for icao, known in found.items()}


def address_of(key: str) -> str:
    """The address in the key of a live document: several targets under one address have `/1` and so on behind it."""
    return key.partition("/")[0]


def announce() -> None:
    """There are other rows than before. A live Redis that is away learns it from the keeper."""
    try:
        get_redis_connection("live").set(KEY, str(time.time_ns()))
    except redis.RedisError as error:
        logger.warning("live views show the register later, live state is away: %s", error)


def announce_what_is_there() -> None:
    """The live Redis lost the key. Raises django.db errors."""
    if RegisteredAircraft.objects.exists():
        announce()


class Register:
    """What one process remembers; `now`: seconds of a clock that only goes forward."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._lock = threading.Lock()
        self._known: dict[str, Registered] = {}
        self._version: bytes | None = None
        self._look_at = self._ask_at = 0.0

    def remembered(self, addresses: Collection[str]) -> dict[str, Registered]:
        """Those that a register has, as far as that is known now. Raises redis.RedisError."""
        self._look()
        if self._version is None:
            return {}
        missing = [icao for icao in addresses if icao not in self._known and icao[:1] != "~"]
        if missing and self._now() >= self._ask_at:
            self._learn(missing)
        known = self._known
        return {icao: found for icao in addresses if (found := known.get(icao, UNKNOWN)) is not UNKNOWN}

    def _look(self) -> None:
        """Begin anew where the registers changed."""
        if self._now() < self._look_at:
            return
        version = get_redis_connection("live").get(KEY)
        with self._lock:
            self._look_at = self._now() + LOOK_SECONDS
            if version != self._version:
                self._version, self._known = version, {}

    def _learn(self, missing: list[str]) -> None:
        if not self._lock.acquire(blocking=False):
            return  # another thread asks, and nobody waits for it
        try:
            close_old_connections()
            with deadline(WAIT_SECONDS):
                some = missing[:MOST_ASKED]
                found = of(some)
        except DatabaseError as error:
            self._ask_at = self._now() + AWAY_SECONDS
            logger.warning("the register is not asked for %.0f s: %s", AWAY_SECONDS, error)
        else:
            if len(self._known) + len(some) > MOST_REMEMBERED:
                self._known = {}
            self._known.update({icao: found.get(icao, UNKNOWN) for icao in some})
        finally:
            self._lock.release()


register = Register()
