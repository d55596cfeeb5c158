"""What django-q2 calls: the schedule's retries of dead letters. The work is in `resilience.dead_letters`."""

import logging

from resilience import dead_letters

logger = logging.getLogger(__name__)


def retry_dead_letters() -> str:
    """Retry what is due; the summary as text. Raises nothing when PostgreSQL is away."""
    summary = dead_letters.retry_due()
    logger.info("dead letters: %s", summary)
    return str(summary)
