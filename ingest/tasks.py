"""What django-q2 runs: thin entries into the pipeline, named in settings.QUEUE_ALLOWED_TASKS."""

import datetime as dt

from ingest import consumption
from ingest.acceptance import places as housekeeping
from ingest.ledger import closed_days, reckoning
from ingest.scorecards import making
from ingest.stages.storing import samples
from tracking.history.retention import RetentionRefused


def process_batch(packed: bytes, stream: str, attempts: int = 0) -> None:
    """Process one batch of the queue; `stream` is where it came from and goes back to in an outage.

    `attempts`: how many of it failed with an unexpected error.
    """
    consumption.consume(packed, stream, attempts)


def close_books() -> str:
    """Roll up the closed days of the ledger, and leave to it the places of recordings that it has; the counts as text.

    Raises django.db and redis errors: nothing is half done then.
    """
    try:
        closed = closed_days.close(reckoning.today())
    except RetentionRefused as refusal:
        return f"0 lines rolled up: {refusal}"
    places = housekeeping.forget_places()
    cards = making.make(reckoning.today() - dt.timedelta(days=1))
    forgotten = samples.forget(reckoning.today())
    return (
        f"{closed.lines} lines rolled up"
        + (", more are left for the next run" if closed.unfinished else "")
        + (f", {places} places of recordings left to the ledger" if places else "")
        + (f", {cards} scorecards written" if cards else "")
        + (f", {forgotten} samples of refused messages forgotten" if forgotten else "")
    )
