"""What django-q2 calls about dead letters, named in settings.QUEUE_ALLOWED_TASKS. The work is in `dead_letters`,
`redrive` and `expiry`."""

import logging
import uuid

from resilience.letters import dead_letters, expiry, redrive
from resilience.queue.broker import HOUSEKEEPING
from resilience.queue.resubmission import resubmit

logger = logging.getLogger(__name__)


def retry_dead_letters() -> str:
    """Retry what is due and add slices of jobs that nobody has; the summary as text. Raises nothing when PostgreSQL is
    away."""
    summary = dead_letters.retry_due()
    logger.info("dead letters: %s", summary)
    if revived := redrive.revive():
        logger.warning("%d dead-letter jobs were abandoned and go on", revived)
    return str(summary)


def retry_selection(job_id: str) -> str:
    """One slice of a job that retries the letters of a filter."""
    return redrive.work(uuid.UUID(job_id))


def discard_selection(job_id: str) -> str:
    """One slice of a job that discards the letters of a filter."""
    return redrive.work(uuid.UUID(job_id))


def expire_dead_letters() -> str:
    """Apply the retention; the summary as text. What is left when the time is over is done by another task."""
    summary = expiry.expire()
    logger.info("dead letters: %s", summary)
    if summary.stopped == "time":
        resubmit("resilience.tasks.expire_dead_letters", stream=HOUSEKEEPING)
    return str(summary)
