"""The numbers beside entries of the side bar: what waits for a person there.

Every AppConfig may have a method `dashboard_badges` that returns Badges. Each number is found at most every few seconds
in a process, and a server that does not answer is left alone for longer: pages of the admin must not wait for numbers.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Any, Literal, TypedDict

from django.apps import apps

from resilience import memory
from tracking.desk.panels import AWAY

logger = logging.getLogger(__name__)

FRESH_SECONDS = 5.0
AWAY_SECONDS = 30.0


class Badge(TypedDict):
    """A number beside the entry of `page` (the name of its list's address without `_changelist`); 0 is not shown.

    `permission`: who may see it.
    """

    page: str
    permission: str
    variant: Literal["danger", "warning"]
    ask: Callable[[], int]


class Shown(TypedDict):
    """A number as it is shown."""

    number: int
    variant: str


_found: dict[str, tuple[int, float]] = {}  # number, and until when it holds (monotonic seconds)
memory.forgotten_by(_found.clear)


def badges(user: Any) -> dict[str, Shown]:
    """The numbers that are not 0, by page."""
    shown = {}
    for badge in _badges():
        if user.has_perm(badge["permission"]) and (number := _number(badge)):
            shown[badge["page"]] = Shown(number=number, variant=badge["variant"])
    return shown


def _badges() -> list[Badge]:
    return [
        badge
        for config in apps.get_app_configs()
        if hasattr(config, "dashboard_badges")
        for badge in config.dashboard_badges()
    ]


def _number(badge: Badge) -> int:
    number, until = _found.get(badge["page"], (0, 0.0))
    if time.monotonic() < until:
        return number
    try:
        number, holds = badge["ask"](), FRESH_SECONDS
    except AWAY as error:
        logger.warning("the number beside %s cannot be found: %s", badge["page"], error)
        number, holds = 0, AWAY_SECONDS
    _found[badge["page"]] = number, time.monotonic() + holds
    return number
