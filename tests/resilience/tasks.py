"""Tasks for the tests of the queue: what they did is noted in the queue's Redis."""

import os
import time

from django_redis import get_redis_connection

HOLD_SECONDS = 45.0  # less than a worker is given for a task


def note(run: str, label: str) -> None:
    """Add `label` to what the run has done."""
    get_redis_connection("queue").sadd(f"test:{run}:done", label)


def hold(run: str, label: str) -> None:
    """Note the own process as busy, wait until the run is let go, then note `label`."""
    client = get_redis_connection("queue")
    client.set(f"test:{run}:busy", os.getpid())
    end = time.monotonic() + HOLD_SECONDS
    while not client.exists(f"test:{run}:go") and time.monotonic() < end:
        time.sleep(0.02)
    note(run, label)


def die(run: str) -> None:
    """Kill the own worker, as the kernel does when memory runs out."""
    get_redis_connection("queue").incr(f"test:{run}:died")
    os.kill(os.getpid(), 9)


def forbidden(run: str) -> None:
    """Not on the list of allowed tasks: must never run."""
    note(run, "forbidden")
