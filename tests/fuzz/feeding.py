"""One format's run: mutated lines through framing, assembly and decoder, and what that showed.

A format, a number of lines and a seed enter; a `FuzzResult` leaves. Times are CPU times of this thread, so nothing else
that the machine does counts; what the decoder raises beside its documented refusals is kept with the message.
"""

from __future__ import annotations

import random
import resource
import time
import traceback
import uuid
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from ingest.clocks import arrival_clock
from ingest.errors import Rejected
from ingest.formats.common.context import Context
from ingest.formats.common.contract import Setup
from ingest.formats.common.counting import UNEXPECTED
from ingest.formats.registry import FORMATS
from ingest.reports import Message, MessageBatch
from tests.fuzz.examples import EXAMPLES
from tests.fuzz.mutations import mutated

NOW = 1_790_000_000_000
CHUNK_LINES = 200
MOST_KEPT = 5


@dataclass
class FuzzResult:
    """Counts, the slowest line, memory that was added, and the first exceptions that nobody has documented."""

    kind: str
    lines: int = 0
    messages: int = 0
    reports: int = 0
    rejected: Counter[str] = field(default_factory=Counter)
    failures: int = 0
    samples: list[str] = field(default_factory=list)
    slowest_seconds: float = 0.0
    slowest_line: bytes = b""
    grown_bytes: int = 0

    def fail(self, raw: bytes) -> None:
        """An exception that is not documented, as it is being handled."""
        self.failures += 1
        if len(self.samples) < MOST_KEPT:
            self.samples.append(f"{raw[:300]!r}\n{traceback.format_exc()}")

    def time(self, seconds: float, line: bytes) -> None:
        if seconds > self.slowest_seconds:
            self.slowest_seconds, self.slowest_line = seconds, line


def run(kind: str, lines: int, seed: int, on_progress: Callable[[int], None] = lambda done: None) -> FuzzResult:
    """So many mutated lines of a format."""
    dice, result = random.Random(f"{kind} {seed}"), FuzzResult(kind)
    beginning, examples = EXAMPLES[kind]
    assembly = FORMATS[kind].assembly(Setup(arrival_clock, receiver=(52.0, 4.0)))
    list(assembly.feed(beginning, NOW))
    batch = MessageBatch(uuid.uuid4(), uuid.uuid4(), "fuzz", kind, 80, NOW)
    context = Context(batch, NOW)
    begun = 0
    for done in range(0, lines, CHUNK_LINES):
        for _ in range(CHUNK_LINES):
            line = mutated(dice.choice(examples), kind, dice)
            if dice.random() < 0.02:
                line = dice.choice(examples)  # so that what needs memory of sound lines has some
            began = time.thread_time()
            messages = _fed(assembly.feed, line, result)
            for message in messages:
                _decode(FORMATS[kind].decode, message, context, result)
            result.time(time.thread_time() - began, line)
            result.messages += len(messages)
        _decode_all(kind, messages, context, result)
        if done == lines // 10 // CHUNK_LINES * CHUNK_LINES:
            begun = _resident()
        on_progress(done)
    counts = assembly.counts()
    assert counts.lines == counts.foreign + counts.sentences + sum(counts.malformed.values()), counts
    result.lines = lines
    result.failures += counts.malformed.get(UNEXPECTED, 0)
    result.grown_bytes = max(0, _resident() - begun)
    return result


def _fed(feed: Callable[[bytes, int], Iterable[Message]], line: bytes, result: FuzzResult) -> list[Message]:
    try:
        return list(feed(line, NOW))
    except Exception:
        result.fail(line)
        return []


def _decode(decode: Callable[..., object], message: Message, context: Context, result: FuzzResult) -> None:
    try:
        decode(message, context)
    except Rejected as refusal:
        result.rejected[refusal.reason] += 1
    except Exception:
        result.fail(message.raw)
    else:
        result.reports += 1


def _decode_all(kind: str, messages: list[Message], context: Context, result: FuzzResult) -> None:
    """The fast way of a format, where it has one, on the last line's messages."""
    together = FORMATS[kind].decode_all
    if together is None or not messages:
        return
    try:
        together(messages, context)
    except Exception:
        result.fail(messages[0].raw)


def _resident() -> int:
    """The most resident memory so far, bytes; Linux counts it in kilobytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
