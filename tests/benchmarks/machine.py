"""What the figures were measured on; without it a number says nothing."""

from __future__ import annotations

import os
import platform
from importlib import metadata
from pathlib import Path
from typing import Any

import psutil

PACKAGES = ("django", "psycopg", "msgspec", "pyais")


def describe() -> dict[str, Any]:
    """Processor, cores this process may use, memory in GiB, load average at the moment of asking, versions."""
    return {
        "processor": _processor(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "memory_gib": round(psutil.virtual_memory().total / 2**30, 1),
        "load": [round(load, 2) for load in psutil.getloadavg()],
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "packages": {name: metadata.version(name) for name in PACKAGES},
    }


def line(machine: dict[str, Any]) -> str:
    """The description for a person."""
    load = " ".join(f"{value:.2f}" for value in machine["load"])
    return (
        f"{machine['processor']}, {machine['cores']} cores, {machine['memory_gib']} GiB, load {load} at the start, "
        f"{machine['system']}, Python {machine['python']}"
    )


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        names = [text for text in cpuinfo.read_text().splitlines() if text.startswith("model name")]
        if names:
            return names[0].partition(":")[2].strip()
    return platform.processor() or platform.machine()
