"""A batch as the queue carries it: about 34 bytes a message. Batches enter, packages leave, and the other way round."""

from __future__ import annotations

import zlib

import msgspec

from ingest.reports import MessageBatch

TASK = "ingest.tasks.process_batch"  # what a worker does with a package

_decoder = msgspec.msgpack.Decoder(MessageBatch)


def pack(batch: MessageBatch) -> bytes:
    """The package of a batch."""
    return zlib.compress(msgspec.msgpack.encode(batch), 1)


def unpack(packed: bytes) -> MessageBatch:
    """The batch again. Raises zlib.error or msgspec.DecodeError for anything else."""
    return _decoder.decode(zlib.decompress(packed))
