"""Mode S frames for tests, and what becomes of them.

The frames are the worked examples of "The 1090 Megahertz Riddle" (Sun, 2nd edition); others are made of them, with
their parity put right.
"""

from __future__ import annotations

import uuid

from ingest.clocks import invented_clock
from ingest.errors import Rejected
from ingest.formats.common.context import Context
from ingest.formats.common.contract import Setup
from ingest.formats.modes import decoder as modes
from ingest.formats.modes.airspace import Airspace
from ingest.formats.modes.assembly import AvrAssembly, parity
from ingest.reports import MessageBatch

START = 1_717_664_000_000
NOW = START + 86_400_000 * 30
EVEN, ODD = "8D40621D58C382D690C8AC2863A7", "8D40621D58C386435CC412692AD6"
VELOCITY = "8D485020994409940838175B284F"
AIRSPEED = "8DA05F219B06B6AF189400CBC33F"
IDENTITY = "8D4840D6202CC371C32CE0576098"
SURFACE = "8C4841753A9A153237AEF0F275BE"
SQUAWK = "2A00516D492B80"  # 0356, of 510af9
ALL_CALL = "5D484FDEA248F5"


def framed(text, **changes):
    """The frame of these digits; `byte_N` replace bytes, then the parity is put right."""
    frame = bytearray.fromhex(text)
    for name, value in changes.items():
        frame[int(name[5:])] = value
    if changes:
        frame[-3:] = b"\0\0\0"
        frame[-3:] = parity(bytes(frame)).to_bytes(3, "big")
    return bytes(frame)


def of(text, address, **changes):
    """The same frame of another aircraft."""
    values = dict(zip(("byte_1", "byte_2", "byte_3"), bytes.fromhex(address), strict=True))
    return framed(text, **values, **changes)


def squawk_of(address, text=SQUAWK):
    """A reply of this aircraft: the address is laid over the parity."""
    frame = framed(text, byte_4=0)
    return frame[:-3] + (int.from_bytes(frame[-3:], "big") ^ int(address, 16)).to_bytes(3, "big")


def context(**fields):
    values = {"source": "roof", "format": "beast", "trust": 80, "accepted_at": NOW, "recorded": True}
    return Context(MessageBatch(id=uuid.uuid4(), run=uuid.uuid4(), **values | fields), NOW)


def verdict(message):
    """What a message says, or why it is refused."""
    try:
        return modes.decode(message, context())
    except Rejected as refusal:
        return refusal.reason


def verdicts(*frames, receiver=None, apart=1000, multilateral=False):
    """What becomes of frames heard `apart` ms one after another."""
    airspace = Airspace(receiver)
    messages = []
    for number, frame in enumerate(frames):
        frame = frame if isinstance(frame, bytes) else framed(frame)
        at = START + number * apart
        messages.append(modes.message_of(frame, airspace.hear(frame, at, multilateral), at))
    return [verdict(message) for message in messages]


def run(assembly, data, chunk=65_536):
    """(assembly, messages) of a whole source, in chunks; the messages in the order in which they were heard."""
    messages = [m for at in range(0, len(data), chunk) for m in assembly.feed(data[at : at + chunk], None)]
    messages += assembly.flush(None)
    return assembly, sorted(messages, key=lambda message: message.received_at)


def avr(data, clock=None, **fields):
    return run(AvrAssembly(Setup(clock or invented_clock(START, 10), **fields)), data)
