"""Keeps the enabled relays running, each in a thread of its own, and follows what changes in the admin.

Every RECONCILE_SECONDS the table is read: new relays are started, disabled or changed ones are stopped. One that fails
begins again after a pause; the others go on. A relay that is switched off loses its place: what is accepted meanwhile
is not for it.
"""

from __future__ import annotations

import logging
import socket
import threading
from collections.abc import Callable
from typing import NamedTuple

import redis
from django.db import Error as DatabaseError
from django.db import connections
from django_redis import get_redis_connection

from ingest.models import Relay
from ingest.relays import account
from ingest.relays.account import TakenOver
from ingest.relays.picking import RelayRules, rules_of
from ingest.relays.run import RelayRun
from resilience.database.deadline import deadline

logger = logging.getLogger(__name__)

RECONCILE_SECONDS = 5.0
RETRY_SECONDS = 30.0
ANSWER_SECONDS = 5.0
ALIVE_SECONDS = 60  # after which a runner that says nothing counts as gone
STOP_SECONDS = 15.0  # a relay that is stopped may be connecting


class _RelayThread(NamedTuple):
    """A relay that runs."""

    thread: threading.Thread
    stop: threading.Event


class RelayRunner:
    """Runs relays until it is stopped: those that `wanted` gives."""

    def __init__(self, wanted: Callable[[], set[RelayRules]] | None = None) -> None:
        self._wanted = wanted or enabled_relays
        self._running: dict[RelayRules, _RelayThread] = {}

    def run(self, stop: threading.Event) -> None:
        """Reconcile until `stop` is set, then stop all."""
        while not stop.is_set():
            self.reconcile()
            _say_alive()
            stop.wait(RECONCILE_SECONDS)
        self._stop(set(self._running))

    def reconcile(self) -> None:
        """Run what is wanted now; while the database is away nothing changes."""
        try:
            wanted = self._wanted()
        except DatabaseError as error:
            logger.warning("the relays cannot be read, going on with those that run: %s", error)
            return
        gone = set(self._running) - wanted
        self._stop(gone)
        self._switch_off({rules.key for rules in gone} - {rules.key for rules in wanted})
        for rules in wanted - set(self._running):
            logger.info("starting relay %s to %s", rules.name, rules.url)
            stop = threading.Event()
            thread = threading.Thread(target=_keep_running, args=(rules, stop), name=f"relay-{rules.key}", daemon=True)
            self._running[rules] = _RelayThread(thread, stop)
            thread.start()

    def _stop(self, relays: set[RelayRules]) -> None:
        """All are told before one is waited for."""
        stopped = {rules: self._running.pop(rules) for rules in relays}
        for running in stopped.values():
            running.stop.set()
        for rules, running in stopped.items():
            running.thread.join(STOP_SECONDS)
            logger.info("relay %s %s", rules.name, "hangs" if running.thread.is_alive() else "stopped")

    def _switch_off(self, keys: set[int]) -> None:
        for key in keys:
            try:
                account.lose_place(key)
            except redis.RedisError as error:
                logger.warning("the place of relay %d is kept although it is switched off: %s", key, error)


def is_running_here() -> bool:
    """Whether a runner of this host has looked after its relays lately. Raises redis.RedisError."""
    return bool(get_redis_connection("queue").exists(_alive_key()))


def _say_alive() -> None:
    try:
        get_redis_connection("queue").set(_alive_key(), 1, ex=ALIVE_SECONDS)
    except redis.RedisError as error:
        logger.debug("nobody is told that the relays run: %s", error)


def _alive_key() -> str:
    return f"tracking:relays-of:{socket.gethostname()}"


def enabled_relays() -> set[RelayRules]:
    """The rules of the enabled relays. Raises django.db.Error."""
    try:
        with deadline(ANSWER_SECONDS):
            return {rules_of(relay) for relay in Relay.objects.filter(enabled=True)}
    finally:
        connections.close_all()


def _keep_running(rules: RelayRules, stop: threading.Event) -> None:
    """One relay for ever: what ends it is logged, and it begins again after a pause."""
    while not stop.is_set():
        try:
            RelayRun(rules, stop).run()
        except TakenOver as error:
            logger.warning("%s; looking again in %.0f s", error, RETRY_SECONDS)
        except Exception:
            logger.exception("relay %s failed; beginning again in %.0f s", rules.name, RETRY_SECONDS)
        stop.wait(RETRY_SECONDS)
