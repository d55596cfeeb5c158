"""Acceptance without a queue: the pipeline runs in place, and accepted means booked."""

from __future__ import annotations

import threading

from django.db import connections

from ingest.acceptance.contract import ResumePoint, ledger_point, until_done
from ingest.acceptance.live_thread import LiveThread
from ingest.pipeline import process
from ingest.reports import MessageBatch
from ingest.stages.work import Counts
from resilience.breaker.registry import in_process_breaker


class InlineAcceptance:
    """Needs no queue; breakers are the process's own.

    Live state is written in a thread of its own, while the next batch is assembled, decoded and stored.
    """

    def __init__(self, stop: threading.Event) -> None:
        self._stop = stop
        self._live = LiveThread()

    def accept(self, batch: MessageBatch) -> Counts:
        """Process the batch, waiting while PostgreSQL is away. Raises what a bug raises."""
        work = until_done(
            lambda: process(batch, in_process_breaker, derived=(self._live.write,)),
            self._stop,
            "the database does not take batches",
        )
        return work.counts

    def resume_point(self, source: str, origin: str) -> ResumePoint | None:
        """What the ledger knows; waits for it. Raises Interrupted when stopped meanwhile."""
        return ledger_point(source, origin, self._stop)

    def close(self) -> None:
        """The last batch's live state is written; Django's connections belong to threads."""
        self._live.close()
        connections.close_all()
