"""A batch of a backfill to what is stored: decoded, validated, counted and fused, as `ingest/pipeline.py` does it.

What is particular: ordinary rows of AIS CSV dumps are read by one `Rows` for many batches, so that the ships that a
dump names in every row, with all their static data, are decoded and merged once for all of them. `gathered` has them.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable

import msgspec

from ingest import pipeline
from ingest.backfill.sightings import Sightings
from ingest.formats.ais_csv.rows import Rows
from ingest.formats.common.context import Context
from ingest.models import Format
from ingest.reports import Decoded, MessageBatch, VesselReport
from ingest.stages.fusion import Fused, fuse
from ingest.stages.store import Counts, Failed
from resilience.database.sqlstate import Verdict, classify
from tracking.models import VesselPosition
from tracking.positions.identities import VesselSighting
from tracking.positions.upsert import upsert_of

logger = logging.getLogger(__name__)


class Decoding:
    """Decodes batches, and gathers the identities that they name."""

    def __init__(self) -> None:
        self._sightings = Sightings()
        self._rows: dict[str, Rows] = {}  # by source label

    def __len__(self) -> int:
        """How many identities are gathered, some of them twice."""
        return len(self._sightings) + sum(map(len, self._rows.values()))

    def fuse(self, batch: MessageBatch) -> tuple[Fused, Counts, list[Failed]]:
        """What a batch comes to, what became of its messages so far, and those that the decoder failed on.

        Its vessels and aircraft are those that are new since `forget`, at least.
        """
        counts, failed = Counts(), list[Failed]()
        fused = self._fuse_dump(batch, counts) if batch.format == Format.AIS_CSV else None
        if fused is None:
            fused = fuse(pipeline.decode(batch, counts, failed))
        self._sightings.add(fused)
        return fused, counts, failed

    def gathered(self) -> Sightings:
        """All identities since `forget`; may be asked for again."""
        for rows in self._rows.values():
            self._sightings.add_seen(rows.seen())
        return self._sightings

    def forget(self) -> None:
        """They are written."""
        self._sightings.clear()
        self._rows.clear()

    def _fuse_dump(self, batch: MessageBatch, counts: Counts) -> Fused | None:
        """As `_fuse_rows`; None where it fails, so that the rows have to be decoded one by one."""
        attempted = Counts()
        try:
            fused = self._fuse_rows(batch, attempted)
        except Exception as error:
            if classify(error) is Verdict.HOST:
                raise
            logger.exception("batch %s of %s is decoded row by row", batch.id, batch.source)
            return None
        for name in msgspec.structs.fields(Counts):
            setattr(counts, name.name, getattr(attempted, name.name))
        return fused

    def _fuse_rows(self, batch: MessageBatch, counts: Counts) -> Fused:
        """Rows of a dump: the positions of all, and the identities of those that are not ordinary or new."""
        rows = self._rows.setdefault(batch.source, Rows())
        positions: list[tuple[int, VesselReport]] = []
        others: list[tuple[int, Decoded]] = []
        for ordinal, said in enumerate(rows.read(batch.messages, Context(batch, now=batch.accepted_at))):
            if isinstance(said, VesselReport):
                positions.append((ordinal, said))
            elif isinstance(said, str):
                counts.rejected[said] += 1
            else:
                others.append((ordinal, said))
                if isinstance(said.position, VesselReport):
                    positions.append((ordinal, said.position))
        _count(others, counts)
        counts.positions = len(positions)
        named = fuse(others)
        for _, seen in rows.begun:
            if seen.static.mmsi not in named.vessels:
                named.vessels[seen.static.mmsi] = VesselSighting(seen.static.mmsi, seen.first, seen.static.at)
        reports, merged, duplicate = [report for _, report in positions], 0, 0
        # Whole numbers are hashed faster than times, and most batches have nothing to fold.
        times = batch.messages
        if len({report.vessel_id << 48 | times[ordinal].received_at for ordinal, report in positions}) < len(reports):
            reports, merged, duplicate = upsert_of(VesselPosition).fold(reports)
        return Fused(
            positions=list(positions),
            rows={VesselPosition: reports} if reports else {},
            merged=merged,
            duplicate=duplicate,
            vessels=named.vessels,
            stations=named.stations,
        )


def _count(others: Iterable[tuple[int, Decoded]], counts: Counts) -> None:
    """Those that are no positions."""
    for _, said in others:
        if said.position is not None:
            continue
        if said.static is not None:
            counts.static += 1
        elif said.station is not None:
            counts.stations += 1
        else:
            counts.other += 1
