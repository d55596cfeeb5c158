"""Dead letters of this app, replayed: they re-enter at the top of the pipeline, and the ledger moves with them.

`resilience/letters/dead_letters.py` calls these inside the transaction that closes the letter, behind the breaker and
within a deadline, so a letter, its rows and its account change together or not at all. Live state is left to newer
reports.
"""

from __future__ import annotations

import time
import zlib

import msgspec
from django.db.models import F

from ingest.acceptance.package import unpack
from ingest.consumption import BATCH_KIND
from ingest.formats.registry import FORMATS
from ingest.models import Batch
from ingest.pipeline import process
from ingest.reports import Message, MessageBatch
from ingest.stages.storing.store import MESSAGE_KIND, book, store_again
from resilience.letters.handlers import Handler, Undecodable
from resilience.models import DeadLetter
from resilience.pages.readable import as_text

_MESSAGES_SHOWN = 10


class MessageHandler:
    """One message whose row PostgreSQL refused, or that the decoder failed on."""

    editable = True

    def replay(self, letter: DeadLetter) -> str:
        """Decode, validate and store the message again; `dead` in the ledger becomes what it turned out to be, and
        `discarded` does where the letter had expired. One that turns out to be no position is counted as none.

        Raises Rejected when it is refused before it reaches the database, and what the database raises.
        """
        work = process(_as_batch(letter), None, booked=(store_again,))
        _, decoded = work.decoded[0]
        held = "discarded" if letter.status == DeadLetter.Status.EXPIRED else "dead"
        moved = {held: F(held) - 1}
        if decoded.position is None:
            outcome = "static" if decoded.static else "stations" if decoded.station else "other"
            moved["positions"] = F("positions") - 1
        else:
            outcome = next(name for name in ("stored", "merged", "duplicate") if getattr(work.counts, name))
        Batch.objects.filter(id=letter.batch_id).update(**moved, **{outcome: F(outcome) + 1})
        return outcome

    def discarded(self, letter: DeadLetter) -> None:
        """`dead` becomes `discarded` in the ledger."""
        Batch.objects.filter(id=letter.batch_id).update(dead=F("dead") - 1, discarded=F("discarded") + 1)

    def describe(self, letter: DeadLetter) -> dict[str, str]:
        """What the message says by its format's decoder; None is left out. Raises Undecodable with the reason.

        A message is edited alone: what was added to it stays, and where that holds for no other it is `not_editable`.
        """
        if letter.edited is not None and not FORMATS[letter.context["format"]].editable:
            raise Undecodable("not_editable")
        work = process(_as_batch(letter), None, booked=())
        for reason in work.counts.rejected:
            raise Undecodable(reason)
        for _, error in work.failed:  # a person may have written anything
            raise Undecodable("undecodable") from error
        _, said = work.decoded[0]
        parts = {"position": said.position, "static": said.static, "station": said.station}
        described = {"format": str(letter.context["format"])}
        for part in filter(None, parts.values()):
            described |= {name: str(value) for name, value in msgspec.structs.asdict(part).items() if _is_said(value)}
        described["carries"] = ", ".join(name for name, part in parts.items() if part is not None) or "nothing we store"
        return described


class BatchHandler:
    """A whole batch whose workers died."""

    editable = False  # it is compressed, and holds up to a thousand messages

    def replay(self, letter: DeadLetter) -> str:
        """Process the batch as if it had just come; its own line replaces the one that counted it as dead."""
        batch = unpack(letter.payload)
        Batch.objects.filter(id=batch.id).delete()
        counts = process(batch, None, booked=(book,)).counts
        return f"{counts.stored} stored, {counts.merged} merged, {counts.duplicate} duplicate, {counts.dead} dead"

    def discarded(self, letter: DeadLetter) -> None:
        """All that the line counts as dead was given up."""
        Batch.objects.filter(id=letter.batch_id).update(discarded=F("discarded") + F("dead"), dead=0)

    def describe(self, letter: DeadLetter) -> dict[str, str]:
        """The batch, and the beginning of its messages. Raises Undecodable."""
        try:
            batch = unpack(letter.payload)
        except (zlib.error, msgspec.DecodeError) as error:
            raise Undecodable("no_batch") from error
        described = {"format": batch.format, "origin": batch.origin or "-", "messages": str(len(batch.messages))}
        for number, message in enumerate(batch.messages[:_MESSAGES_SHOWN]):
            described[f"message {number}"] = as_text(message.raw[:200])
        return described


HANDLERS: dict[str, Handler] = {MESSAGE_KIND: MessageHandler(), BATCH_KIND: BatchHandler()}


def _is_said(value: object) -> bool:
    return value is not None and value != {}


def _as_batch(letter: DeadLetter) -> MessageBatch:
    """A batch of the one message, with what its own batch said of it."""
    received_at = round(letter.received_at.timestamp() * 1000)
    now = round(time.time() * 1000)
    return MessageBatch(
        letter.batch_id,
        letter.batch_id,
        letter.source,
        letter.context["format"],
        letter.context["trust"],
        now,
        recorded=True,  # it may have become old while it waited; it was in time when it was accepted
        invented=letter.context["invented"],
        live=False,
        messages=[Message(received_at, letter.payload, letter.context.get("added", "").encode())],
    )
