"""A batch on its way through the stages: what each of them adds to it."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Callable
from typing import Any

import msgspec
from django.db import models

from ingest.reports import AircraftReport, Decoded, MessageBatch, VesselReport
from resilience.breaker.registry import Breaker
from tracking.positions.identities import AircraftSighting, StationSighting, VesselSighting

Report = VesselReport | AircraftReport
Breakers = Callable[[str], Breaker]  # the breaker of a name
Failed = tuple[int, Exception]  # the ordinal of a message, and what the decoder raised

OUTCOMES = ("stored", "merged", "duplicate", "dead")  # of positions, in Counts


class Counts(msgspec.Struct):
    """What became of the messages of a batch; field names are those of the ledger."""

    positions: int = 0
    static: int = 0
    stations: int = 0
    other: int = 0
    rejected: Counter[str] = msgspec.field(default_factory=Counter)
    stored: int = 0
    merged: int = 0
    duplicate: int = 0
    dead: int = 0


class Fused(msgspec.Struct):
    """What a batch comes to.

    `positions`: (ordinal of the message, report) of every position; `rows`: one report a key, by model; `merged` and
    `duplicate` count the reports that were folded into another's row; sightings by identity, `unchanged` of which said
    nothing that was not written before.
    """

    positions: list[tuple[int, Report]] = []
    rows: dict[type[models.Model], list[Any]] = {}
    merged: int = 0
    duplicate: int = 0
    vessels: dict[int, VesselSighting] = {}
    aircraft: dict[str, AircraftSighting] = {}
    stations: dict[int, StationSighting] = {}
    unchanged: int = 0

    def days(self) -> set[dt.date]:
        """The days of the positions, UTC."""
        return {report.timestamp.date() for _, report in self.positions}


class Work(msgspec.Struct):
    """A batch and what is known of it so far.

    `breakers`: those of a live batch, None for one that only enters history; `decoded`: (ordinal of the message, what
    it says) of the messages that are used; `refused`: (ordinal, reason) of those that are not; `failed`: those on
    which the decoder failed, counted as positions; `fused`: what is stored; `repeated`: the batch was booked before;
    `hidden`: the indexes of positions that live state does not believe, None where it was not written.
    """

    batch: MessageBatch
    breakers: Breakers | None = None
    counts: Counts = msgspec.field(default_factory=Counts)
    decoded: list[tuple[int, Decoded]] = []
    refused: list[tuple[int, str]] = []
    failed: list[Failed] = []
    fused: Fused = msgspec.field(default_factory=Fused)
    repeated: bool = False
    hidden: set[int] | None = None


def key_of(report: Report) -> tuple[int | str, dt.datetime]:
    """What is unique: identity and time."""
    return (report.vessel_id if isinstance(report, VesselReport) else report.aircraft_id, report.timestamp)
