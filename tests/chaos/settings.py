"""The project's settings with a queue that gives up on a killed host sooner, so that a run takes minutes.

A batch in the hands of a cluster that was killed as a whole waits Q_CLUSTER["retry"] seconds for another: 180 by
default. CHAOS_TASK_SECONDS is the longest that a task may take here; everything else is as in production.
"""

import os

from tracking.settings import *  # noqa: F403

_task_seconds = int(os.environ.get("CHAOS_TASK_SECONDS", "30"))
Q_CLUSTER |= {"timeout": _task_seconds, "retry": _task_seconds * 3 // 2}  # noqa: F405
