"""What the tests of JSON formats share: assemblies that are fed, and messages decoded outside of a batch."""

from __future__ import annotations

import json
import uuid
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, NamedTuple

from ingest.clocks import Clock, recorded_clock
from ingest.errors import Rejected
from ingest.formats.common.context import Context
from ingest.formats.common.contract import Assembly, Setup
from ingest.reports import AircraftReport, Decoded, Message, MessageBatch

NOW = 1_800_000_000_000
Decode = Callable[[Message, Context], Decoded]


class Run(NamedTuple):
    """What a recording came to: the assembly, its messages, and what became of them by kind or reason."""

    assembly: Any
    messages: list[Message]
    kinds: Counter[str]
    positions: list[AircraftReport]

    def keys(self) -> set[Any]:
        return {(said.aircraft_id, said.timestamp) for said in self.positions}


def packed(document: Any) -> bytes:
    return json.dumps(document, separators=(",", ":")).encode()


def assembly(kind: Callable[[Setup], Assembly], clock: Clock | None = None) -> Any:
    return kind(Setup(clock or recorded_clock(), recorded=True))


def fed(reader: Assembly, chunks: Iterable[bytes]) -> list[Message]:
    messages = [message for chunk in chunks for message in reader.feed(chunk, None)]
    return messages + list(reader.flush(None))


def context(now: int = NOW, recorded: bool = True, trust: int = 80) -> Context:
    batch = MessageBatch(uuid.uuid4(), uuid.uuid4(), "test", "json", trust, now, recorded=recorded)
    return Context(batch, now)


def kind_of(decode: Decode, message: Message, told: Context) -> tuple[str, AircraftReport | None]:
    try:
        said = decode(message, told)
    except Rejected as error:
        return error.reason, None
    position = said.position
    assert position is None or isinstance(position, AircraftReport)
    return "position" if position else "static" if said.static else "other", position


def ran(kind: Callable[[Setup], Assembly], decode: Decode, paths: list[Path]) -> Run:
    """Files of one format, one after the other, in chunks of 64 kB."""
    reader, told = assembly(kind), context()
    data = b"".join(path.read_bytes() for path in paths)
    messages = fed(reader, (data[at : at + 65536] for at in range(0, len(data), 65536)))
    told_of = [kind_of(decode, message, told) for message in messages]
    return Run(reader, messages, Counter(one for one, _ in told_of), [said for _, said in told_of if said])


def assert_accounted(reader: Any) -> None:
    counts = reader.counts()
    assert counts.lines == counts.foreign + sum(counts.malformed.values()) + counts.sentences
