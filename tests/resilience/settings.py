"""Settings of the worker processes that tests start: their tasks are allowed, their queue has a name of its own."""

import os

from tests.settings import *  # noqa: F403

Q_CLUSTER = {
    **Q_CLUSTER,  # noqa: F405
    "cluster_name": os.environ.get("TEST_CLUSTER", "test"),
    "scheduler": False,
    "guard_cycle": 0.2,
    "timeout": int(os.environ.get("TEST_TIMEOUT", "60")),
}
QUEUE_ALLOWED_TASKS = [f"tests.resilience.tasks.{name}" for name in ("note", "hold", "die")]
