"""What many batches saw of vessels, aircraft and stations, to be written once for all of them.

A dump names the same ships in every batch, and to write an identity costs more than to write a position. Enters Fused
batches; leaves one sighting an identity, merged as `ingest/stages/fusion.py` merges the reports of a batch: the newer
static data win, older ones fill gaps, first and last seen widen.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice
from typing import TypeVar

from django.db import transaction

from ingest.formats.ais_csv.rows import SeenRow
from ingest.stages.work import Fused
from tracking.positions.identities import (
    STATIC_FIELDS,
    AircraftSighting,
    VesselSighting,
    upsert_aircraft,
    upsert_stations,
    upsert_vessels,
)

CHUNK = 5_000  # identities a transaction, so that live traffic waits for their locks no longer than for a batch

K = TypeVar("K", int, str)
S = TypeVar("S", VesselSighting, AircraftSighting)


class Sightings:
    """One sighting an identity over several batches."""

    def __init__(self) -> None:
        self._fused = Fused()

    def add(self, fused: Fused) -> None:
        """Take in what a batch saw; its sightings belong to this object from now on."""
        _merge(self._fused.vessels, fused.vessels)
        _merge(self._fused.aircraft, fused.aircraft)
        for key, station in fused.stations.items():
            known = self._fused.stations.get(key)
            self._fused.stations[key] = known.with_later(station) if known else station

    def add_seen(self, ships: Iterable[SeenRow], source: str) -> None:
        """Take in ships of a dump of the feed `source`, those first that were seen last earlier."""
        for seen in sorted(ships, key=lambda one: one.static.at):
            static = seen.static
            sighting = VesselSighting(static.mmsi, seen.first, static.at, source=source)
            if seen.speaks:
                values = {name: value for name in STATIC_FIELDS if (value := getattr(static, name)) is not None}
                sighting.static_at, sighting.static = static.at, values
            _merge(self._fused.vessels, {static.mmsi: sighting})

    def __len__(self) -> int:
        """How many identities."""
        return len(self._fused.vessels) + len(self._fused.aircraft) + len(self._fused.stations)

    def write(self) -> None:
        """Upsert all, in several transactions. To write twice is the same as once. Raises django.db errors."""
        for vessels in _chunks(self._fused.vessels):
            with transaction.atomic():
                upsert_vessels(vessels)
        for aircraft in _chunks(self._fused.aircraft):
            with transaction.atomic():
                upsert_aircraft(aircraft)
        with transaction.atomic():
            upsert_stations(self._fused.stations.values())

    def clear(self) -> None:
        """Forget what was written."""
        self._fused = Fused()


def _merge(into: dict[K, S], sightings: dict[K, S]) -> None:
    for key, sighting in sightings.items():
        known = into.get(key)
        if known is None:
            into[key] = sighting
            continue
        if sighting.last_seen > known.last_seen:
            known.last_seen = sighting.last_seen
        if sighting.first_seen < known.first_seen:
            known.first_seen = sighting.first_seen
        if sighting.static_at is None:
            continue
        if known.static_at is None or sighting.static_at >= known.static_at:
            known.static_at, known.source = sighting.static_at, sighting.source
            if sighting.static != known.static:
                known.static = known.static | sighting.static
        else:
            known.static = sighting.static | known.static


def _chunks(sightings: dict[K, S]) -> list[list[S]]:
    """The sightings in the order of their keys, CHUNK in each."""
    rest = iter([sightings[key] for key in sorted(sightings)])
    return list(iter(lambda: list(islice(rest, CHUNK)), []))
