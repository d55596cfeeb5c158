"""What a batch says once for all its messages."""

from ingest.reports import MessageBatch


class Context:
    """The batch's label and trust, whether its times may be inferred from (`snap`), and `now` in ms since 1970."""

    def __init__(self, batch: MessageBatch, now: int) -> None:
        self.source = batch.source
        self.trust = batch.trust
        self.snap = not batch.invented
        self.recorded = batch.recorded
        self.now = now
