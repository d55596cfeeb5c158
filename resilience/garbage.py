"""Cycles of garbage are looked for seldom, in processes that make many objects and hardly a cycle."""

from __future__ import annotations

import gc

THRESHOLD = 50_000  # new objects; Python's own 700 costs a worker up to 2 % of its time


def collect_seldom() -> None:
    """What is loaded now stays, and is looked at no more; call it once, when all modules are there."""
    gc.freeze()
    gc.set_threshold(THRESHOLD)
