"""What django-q2 runs: thin entries into the pipeline, named in settings.QUEUE_ALLOWED_TASKS."""

from django.utils import timezone

from ingest import bookkeeping, consumption


def process_batch(packed: bytes, stream: str) -> None:
    """Process one batch of the queue; `stream` is where it came from and goes back to in an outage."""
    consumption.consume(packed, stream)


def close_books() -> str:
    """Roll up the closed days of the ledger; the count as text. Raises django.db errors: nothing is half done then."""
    closed = bookkeeping.close(timezone.now().date())
    return f"{closed.lines} lines rolled up" + (", more are left for the next run" if closed.unfinished else "")
