"""What the operator's desk shows of what is stored: bytes a day, how long they are kept, what is free.

Nothing enters; plain data leave, in the form that `tracking/desk/panels.py` describes. Sizes of days are PostgreSQL's
own figures of its partitions, rows the planner's estimates; nothing is counted.
"""

from __future__ import annotations

import datetime as dt
import shutil
from collections import defaultdict
from pathlib import Path
from typing import Any

from django.conf import settings
from django.urls import reverse

from tracking.desk.panels import Panel, Trouble, Window, trouble
from tracking.desk.remembered import RememberedAnswer
from tracking.history import partitions

DAYS_SHOWN = 14
SIZES_SECONDS = 60.0
FULL_SHARE = 0.05  # of a disk: with less free, somebody should look


def panels() -> list[Panel]:
    """The one of what is stored."""
    return [{"name": "storage", "permission": "tracking.view_vesselposition", "ask": storage}]


def storage(window: Window) -> dict[str, Any]:
    """What is stored a day, how long it is kept, and what is free on the disks of this host."""
    days, age = _sizes.latest()
    disks = [_disk(name, path) for name, path in {"data": settings.DATA_DIR, "spool": settings.SPOOL_DIR}.items()]
    shown = [disk for disk in disks if disk]
    return {
        "days": days or [],
        "age_seconds": age,
        "kept": {
            "vessel": settings.KEEP_VESSEL_POSITIONS_DAYS,
            "aircraft": settings.KEEP_AIRCRAFT_POSITIONS_DAYS,
            "archive_after": settings.ARCHIVE_AFTER_DAYS,
        },
        "disks": shown,
        "troubles": [_full(disk) for disk in shown if disk["free"] < FULL_SHARE * disk["total"]],
    }


def _full(disk: dict[str, Any]) -> Trouble:
    text = f"the disk with the {disk['name']} of this host has {disk['free'] / 2**30:,.1f} GiB left"
    return trouble(text, reverse("handbook-page", args=["operating"]))


def _disk(name: str, path: Path) -> dict[str, Any] | None:
    """Bytes of the disk on which the directory is or would be; None where none can be found."""
    there = next((each for each in (path, *path.parents) if each.exists()), None)
    if there is None:
        return None
    usage = shutil.disk_usage(there)
    return {"name": name, "free": usage.free, "total": usage.total}


def _days() -> list[dict[str, Any]]:
    """Bytes and estimated rows of the latest days, the oldest first. Raises django.db errors."""
    newest = dt.datetime.now(dt.UTC).date()
    oldest = newest - dt.timedelta(days=DAYS_SHOWN - 1)
    found: dict[dt.date, list[int]] = defaultdict(lambda: [0, 0])
    for table in partitions.TABLES:
        for size in partitions.sizes(table):
            if size.day is not None and oldest <= size.day <= newest:
                found[size.day][0] += size.bytes
                found[size.day][1] += max(0, size.rows or 0)
    shown = (oldest + dt.timedelta(days=number) for number in range(DAYS_SHOWN))
    return [{"day": day.isoformat(), "bytes": found[day][0], "rows": found[day][1]} for day in shown]


_sizes = RememberedAnswer("sizes", _days, SIZES_SECONDS)
