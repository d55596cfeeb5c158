"""Recordings of the three dialects of AIS CSV."""

from collections import Counter, defaultdict

import pytest

from ingest.errors import Rejected
from ingest.formats.ais_csv import decoder as ais_csv
from ingest.stages.fusion import folded
from tests.support.ais_csv_rows import assemble, context
from tests.support.recordings import recording


def results(name):
    """What became of the rows of a recording, and what they say."""
    messages, assembly = assemble(recording(f"ais_csv/{name}").read_bytes(), 64 * 1024)
    counts = assembly.counts()
    assert counts.lines == counts.foreign + counts.sentences
    assert counts.sentences == len(messages)
    fates, said = Counter(), []
    for message in messages:
        try:
            said.append(ais_csv.decode(message, context()))
        except Rejected as error:
            fates[error.reason] += 1
            continue
        latest = said[-1]
        fates[next((n for n in ("position", "static", "station") if getattr(latest, n) is not None), "other")] += 1
    return dict(fates), said


def values(report):
    """What a report of position measures."""
    return tuple(getattr(report, name) for name in ("latitude", "longitude", "speed", "course", "heading", "status"))


@pytest.mark.data
def test_the_danish_recording_gives_its_positions():
    fates, said = results("dma_danish_20260426_part1.csv")
    assert fates == {"position": 5272, "station": 486, "static": 228, "position_not_available": 14}
    by_key = defaultdict(list)
    for one_said in said:
        if one_said.position is not None:
            by_key[one_said.position.vessel_id, one_said.position.timestamp].append(values(one_said.position))
    (rows,) = folded(enumerate(said)).rows.values()
    assert (len(rows), len(by_key)) == (3198, 3197)  # one ship is at two places in one second, and both are kept
    mixed = [row for row in rows if values(row) not in by_key[row.vessel_id, row.timestamp.replace(microsecond=0)]]
    assert mixed == []


@pytest.mark.data
def test_every_marinecadastre_row_is_a_position():
    fates, said = results("marinecadastre_20230111_part1.csv")
    assert fates == {"position": 200}
    assert sum(one_said.static is not None and one_said.static.imo is not None for one_said in said) > 50


@pytest.mark.data
def test_the_exactearth_recording_gives_its_positions():
    fates, _ = results("exactearth_20210701.csv")
    assert fates == {
        "position": 2361,
        "static": 64,
        "station": 32,
        "other": 29,
        "position_not_available": 11,
        "mmsi_zero": 1,
    }
