"""The AIS traffic that benchmarks read: a real recording where there is one, else as much from the simulator."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from pathlib import Path

from django.conf import settings

from ingest.simulator import Simulation

# 85,194 sentences of stations all over the world, from AISHub, without times: 82,758 messages.
RECORDED = Path(__file__).resolve().parents[2].parent / "shared/data/nmea/aishub_nmea_sample_85k.nmea"
MESSAGES = 82_758
QUICK_MESSAGES = 20_000
SHIPS = 2_000
BEGAN = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)


@dataclass(frozen=True)
class Recording:
    """A file of AIVDM lines without times, and what to call it."""

    path: Path
    name: str


def ais_recording(quick: bool = False) -> Recording:
    """The recording of RECORDED; where that is absent, simulated traffic of as many messages (fewer if `quick`)."""
    if RECORDED.exists():
        return Recording(RECORDED, f"recording {RECORDED.name}")
    messages = QUICK_MESSAGES if quick else MESSAGES
    path = settings.DATA_DIR / f"simulated-{messages}.nmea"
    if not path.exists():
        path.write_bytes(b"".join(line + b"\n" for line in simulated(messages)))
    return Recording(path, f"{messages:,} messages of {SHIPS:,} ships from ingest.simulator, for want of the recording")


def simulated(messages: int) -> list[bytes]:
    """The lines of that many messages, always the same ones."""
    simulation = Simulation(start=BEGAN, seed=1, ships=SHIPS)
    lines: list[bytes] = []
    until = BEGAN
    while messages:
        until += dt.timedelta(seconds=10)
        for sent in simulation.transmissions(until):
            lines += sent.sentences
            messages -= 1
            if not messages:
                break
    return lines
