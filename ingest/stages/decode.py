"""The stage that decodes: raw messages to reports, each message judged by itself.

Ranges are checked by the decoders, where the raw integer is known. A message that is refused is counted under its
reason; one that the decoder was not made for costs only itself and becomes a dead letter.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence

from ingest.errors import Rejected
from ingest.formats.common.context import Context
from ingest.formats.registry import FORMATS, DecodeAll
from ingest.reports import Decoded, Message, MessageBatch
from ingest.stages.work import Counts, Work
from resilience.database.sqlstate import Verdict, classify

logger = logging.getLogger(__name__)

FEW = 20  # so many messages may be at fault although nothing else of their batch passes


class NothingPasses(Exception):
    """All of a batch failed, and it was more than a FEW or not refused as data: the batch is kept as it is."""


def decode(work: Work, decode_all: DecodeAll | None = None) -> None:
    """Decode each message; `decode_all` takes the place of the format's own.

    Raises NothingPasses where the decoder fails on all of more than a FEW.
    """
    positions = 0
    for ordinal, found in enumerate(_found(work.batch, decode_all or FORMATS[work.batch.format].decode_all)):
        if isinstance(found, Decoded):
            if found.position is not None:  # nearly all, so they cost no call
                positions += 1
            else:
                count(work.counts, found)
            work.decoded.append((ordinal, found))
        elif isinstance(found, str):
            work.counts.rejected[found] += 1
            work.refused.append((ordinal, found))
        else:
            work.counts.positions += 1
            work.failed.append((ordinal, found))
    work.counts.positions += positions
    if work.failed:
        _check_that_some_pass(work)


def count(counts: Counts, decoded: Decoded, number: int = 1) -> None:
    """Count a message that is used, once, as the first that it carries of position, static data and station."""
    if decoded.position is not None:
        counts.positions += number
    elif decoded.static is not None:
        counts.static += number
    elif decoded.station is not None:
        counts.stations += number
    else:
        counts.other += number


def _check_that_some_pass(work: Work) -> None:
    _, error = work.failed[0]
    if len(work.failed) == len(work.batch.messages) > FEW:
        raise NothingPasses(f"none of {len(work.failed)} messages can be decoded, the first: {error!r}") from error


def _found(batch: MessageBatch, decode_all: DecodeAll | None) -> Sequence[Decoded | str | Exception]:
    """What each message says, the reason why it is refused, or what the decoder raised; all at once where it can."""
    # Not by our own clock: a batch is judged alike wherever and whenever it is processed.
    context = Context(batch, now=batch.accepted_at)
    if decode_all is not None:
        try:
            return decode_all(batch.messages, context)
        except Exception as error:
            if classify(error) is Verdict.HOST:
                raise
            logger.exception("batch %s of %s is decoded message by message", batch.id, batch.source)
    return [_one(message, FORMATS[batch.format].decode, context) for message in batch.messages]


def _one(
    message: Message, decoder: Callable[[Message, Context], Decoded], context: Context
) -> Decoded | str | Exception:
    """What one message says, alone. What this host lacks is raised."""
    try:
        return decoder(message, context)
    except Rejected as refusal:
        return refusal.reason
    except Exception as error:
        if classify(error) is Verdict.HOST:
            raise
        return error
