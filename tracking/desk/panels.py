"""The contract of the desk's panels, and who offers some.

Every AppConfig that has a method `dashboard_panels` is asked for a list of Panels, plain dictionaries, so that no app
imports another for it. A request asks those panels whose permission its user has; each answers in milliseconds, from
Redis, from a small table or from what it remembers, never by counting positions.

A question that raises is a panel of which nothing is known; the desk tells the kind of the error only.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Literal, NotRequired, TypedDict

from django.apps import apps
from django.db import Error as DatabaseError
from django_redis.exceptions import ConnectionInterrupted
from redis import RedisError

Window = Literal["1h", "24h", "7d"]
WINDOWS: tuple[Window, ...] = ("1h", "24h", "7d")
AWAY = (DatabaseError, RedisError, ConnectionInterrupted, OSError)


class Trouble(TypedDict):
    """Something that is not as it should be: a clause for people, how bad it is, and where to look."""

    state: Literal["degraded", "down"]
    text: str
    url: str


class Panel(TypedDict):
    """Figures of one kind. `ask` gets the span of time that the desk shows, and returns what JSON can hold.

    `permission`: who may see it. `rights`: further permissions of which an answer says under the same name which ones
    the user has. An answer may have `troubles`, a list of Trouble, for the desk's sentence.
    """

    name: str
    permission: str
    ask: Callable[[Window], dict[str, Any]]
    rights: NotRequired[list[str]]


def panels() -> Iterator[Panel]:
    """Those of all apps."""
    for config in apps.get_app_configs():
        if hasattr(config, "dashboard_panels"):
            yield from config.dashboard_panels()


def trouble(text: str, url: str = "", state: Literal["degraded", "down"] = "degraded") -> Trouble:
    return {"state": state, "text": text, "url": url}
