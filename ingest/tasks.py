"""What django-q2 runs: thin entries into the pipeline, named in settings.QUEUE_ALLOWED_TASKS."""

from ingest import consumption


def process_batch(packed: bytes, stream: str) -> None:
    """Process one batch of the queue; `stream` is where it came from and goes back to in an outage."""
    consumption.consume(packed, stream)
