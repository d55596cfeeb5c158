"""What other apps know of one ship or aircraft, as tables below its page in the admin.

Every AppConfig may have a method `target_tables(subject, key)` that returns a list of Tables, plain dictionaries, for a
subject ("vessel" or "aircraft") and its key. Those that the user may see are asked; one whose server is away says so.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any, Literal, NamedTuple, TypedDict

from django.apps import apps

from tracking.desk.panels import AWAY

logger = logging.getLogger(__name__)

Subject = Literal["vessel", "aircraft"]


class Linked(NamedTuple):
    """A cell; `url` is empty where it leads nowhere."""

    text: str
    url: str = ""


class TargetTable(TypedDict):
    """A table that can be asked for; `empty` is said where it has no rows. `ask` may raise what a server raises."""

    title: str
    permission: str
    headings: list[str]
    empty: str
    ask: Callable[[], list[list[Linked]]]


def tables(user: Any, subject: Subject, key: Any) -> list[dict[str, Any]]:
    """Title, headings, rows and, where there are none, the sentence of each table that the user may see."""
    return [
        _asked(table)
        for config in apps.get_app_configs()
        if hasattr(config, "target_tables")
        for table in config.target_tables(subject, key)
        if user.has_perm(table["permission"])
    ]


def _asked(table: TargetTable) -> dict[str, Any]:
    shown = {name: table[name] for name in ("title", "headings", "empty")}  # type: ignore[literal-required]
    try:
        return shown | {"rows": table["ask"]()}
    except AWAY as error:
        logger.warning("the table %s: %s", table["title"], error)
        return shown | {"rows": [], "empty": "Its server does not answer."}
