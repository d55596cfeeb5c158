"""Dead letters of this app, replayed: they re-enter at the top of the pipeline, and the ledger moves with them.

`resilience/dead_letters.py` calls these inside the transaction that closes the letter, behind the breaker and within a
deadline, so a letter, its rows and its account change together or not at all. Live state is left to newer reports.
"""

from __future__ import annotations

import time

from django.db.models import F

from ingest import persistence, pipeline
from ingest.acceptance import unpack
from ingest.consumption import BATCH_KIND
from ingest.decoders.context import Context
from ingest.errors import Rejected
from ingest.formats import FORMATS
from ingest.fusion import fuse
from ingest.models import Batch
from ingest.persistence import MESSAGE_KIND, Counts
from ingest.reports import Message, MessageBatch
from resilience.dead_letters import Handler
from resilience.models import DeadLetter


class MessageHandler:
    """One message whose row PostgreSQL refused."""

    def replay(self, letter: DeadLetter) -> str:
        """Decode, validate and store the message again; `dead` in the ledger becomes what it turned out to be.

        Raises Rejected when it is refused before it reaches the database, and what the database raises.
        """
        batch = _as_batch(letter)
        context = Context(batch, now=round(time.time() * 1000))
        said = FORMATS[batch.format].decode(batch.messages[0], context)
        if said.position is None:
            raise Rejected("no_position")
        counts = Counts()
        for _, _, error in persistence.store_rows(fuse([(0, said)]), counts):
            raise error
        outcome = next(name for name in ("stored", "merged", "duplicate") if getattr(counts, name))
        Batch.objects.filter(id=letter.batch_id).update(dead=F("dead") - 1, **{outcome: F(outcome) + 1})
        return outcome

    def discarded(self, letter: DeadLetter) -> None:
        """`dead` becomes `discarded` in the ledger."""
        Batch.objects.filter(id=letter.batch_id).update(dead=F("dead") - 1, discarded=F("discarded") + 1)


class BatchHandler:
    """A whole batch whose workers died."""

    def replay(self, letter: DeadLetter) -> str:
        """Process the batch as if it had just come; its own line replaces the one that counted it as dead."""
        batch = unpack(bytes(letter.raw))
        Batch.objects.filter(id=batch.id).delete()
        counts = Counts()
        persistence.store(batch, fuse(pipeline.decode(batch, counts)), counts)
        return f"{counts.stored} stored, {counts.merged} merged, {counts.duplicate} duplicate, {counts.dead} dead"

    def discarded(self, letter: DeadLetter) -> None:
        """All that the line counts as dead was given up."""
        Batch.objects.filter(id=letter.batch_id).update(discarded=F("discarded") + F("dead"), dead=0)


HANDLERS: dict[str, Handler] = {MESSAGE_KIND: MessageHandler(), BATCH_KIND: BatchHandler()}


def _as_batch(letter: DeadLetter) -> MessageBatch:
    """A batch of the one message, with what its own batch said of it."""
    received_at = round(letter.received_at.timestamp() * 1000)
    return MessageBatch(
        letter.batch_id,
        letter.batch_id,
        letter.source,
        letter.context["format"],
        letter.context["trust"],
        received_at,
        recorded=True,  # it may have become old while it waited; it was in time when it was accepted
        invented=letter.context["invented"],
        live=False,
        messages=[Message(received_at, bytes(letter.raw))],
    )
