"""Settings of the workers of fault tests: a task gets up quickly, and two tasks that do not end well are allowed."""

import os

from tracking.settings import *  # noqa: F403

Q_CLUSTER = {
    **Q_CLUSTER,  # noqa: F405
    "timeout": int(os.environ.get("TEST_TIMEOUT", "10")),
    "retry": int(os.environ.get("TEST_RETRY", "12")),
    "scheduler": False,
}
QUEUE_ALLOWED_TASKS = [*QUEUE_ALLOWED_TASKS, "tests.faults.deadly.kill_the_worker", "tests.faults.deadly.hang"]  # noqa: F405
