"""Five receivers that hear one sea, with wrong clocks, as rows and live: as if one perfect receiver heard it."""

import datetime as dt
import random
import time
from collections import defaultdict
from collections.abc import Iterator
from typing import NamedTuple

import pytest

from ingest.clocks import arrival_clock
from ingest.formats.ais.assembly import NmeaAssembly
from ingest.formats.common.contract import Setup
from ingest.pipeline import process
from ingest.reports import Message
from resilience.breaker.registry import in_process_breaker
from tests.support.messages import batch, position
from tracking.history import partitions
from tracking.live.state import LiveKind, LiveState
from tracking.models import VesselPosition
from tracking.truth import judge

AHEAD_MS = (-29_000, -11_000, 7_500, 26_000, 70_000)
SHIPS, SECONDS, EVERY, BATCH_MS = 24, 180, 9, 4000
LOSS, REPEATED = 0.2, 0.2

pytestmark = [pytest.mark.django_db(transaction=True, databases=["default", "direct"])]

Place = tuple[float, float]
Truth = dict[tuple[int, int], Place]


class Line(NamedTuple):
    """What arrives of a receiver."""

    arrival_ms: int
    receiver: int
    text: bytes


def world(start_ms: int) -> tuple[Truth, list[Line]]:
    """Where each ship that somebody heard was, by MMSI and second, and the lines of all receivers as they arrive."""
    chance = random.Random(5)
    truth: Truth = {}
    lines: list[Line] = []
    for second in range(SECONDS):
        for ship in range(second % EVERY, SHIPS, EVERY):
            mmsi, at_ms = 244660100 + ship, start_ms + second * 1000 + chance.randrange(900)
            place = round(50 + second * 0.00005 + ship * 0.1, 5), round(2 + ship * 0.01, 5)
            second_utc = at_ms // 1000 % 60
            text = position(mmsi, lat=place[0], lon=place[1], speed=11.3, course=0.1, second=second_utc)
            heard = list(_heard(chance, text, at_ms))
            lines += heard
            if heard:
                truth[mmsi, at_ms // 1000] = place
    return truth, sorted(lines)


def _heard(chance: random.Random, text: bytes, at_ms: int) -> Iterator[Line]:
    """A receiver in five misses it; some say again a little later what they heard, with the time of then."""
    for receiver, ahead in enumerate(AHEAD_MS):
        if chance.random() < LOSS:
            continue
        delays = [chance.randrange(20, 400)]
        if chance.random() < REPEATED:
            delays.append(delays[0] + chance.randrange(100, 2000))
        for delay in delays:
            tag = b"\\s:rx%d,c:%d*00\\" % (receiver, at_ms + ahead + delay - delays[0])
            yield Line(at_ms + delay, receiver, tag + text)


def sent(lines: list[Line], as_one: bool) -> Iterator[tuple[str, list[Message]]]:
    """The batches of the feeds, all that arrived within BATCH_MS."""
    assemblies = {n: NmeaAssembly(Setup(arrival_clock, mend_clocks=True)) for n in range(len(AHEAD_MS))}
    windows: defaultdict[tuple[int, int], list[Message]] = defaultdict(list)
    for line in lines:
        feed = 0 if as_one else line.receiver
        windows[line.arrival_ms // BATCH_MS, feed] += assemblies[feed].feed(line.text + b"\n", line.arrival_ms)
    return ((f"rx{feed}", said) for (_, feed), said in sorted(windows.items()) if said)


@pytest.mark.parametrize("as_one", [False, True], ids=["five feeds", "one feed"])
@pytest.mark.usefixtures("live_redis")
def test_five_receivers_with_wrong_clocks_leave_the_rows_of_a_perfect_one_and_live_never_goes_back(as_one: bool):
    start_ms = round(time.time()) * 1000 - SECONDS * 1000
    partitions.make({dt.datetime.fromtimestamp(start_ms / 1000 + s, dt.UTC).date() for s in (0, SECONDS)})
    truth, lines = world(start_ms)
    assert len(lines) > 4 * len(truth)
    state, shown = LiveState(LiveKind.VESSEL), dict[str, float]()
    for feed, messages in sent(lines, as_one):
        process(batch([], messages=messages, source=feed, live=True, recorded=False), in_process_breaker)
        for mmsi, document in state.get_many({str(key) for key, _ in truth}).items():
            assert document["ts"] >= shown.get(mmsi, 0)
            assert (document["lat"], document["lon"]) == pytest.approx(truth[int(mmsi), int(document["ts"])], abs=2e-6)
            shown[mmsi] = document["ts"]
    judge.judge_all()
    rows = VesselPosition.objects.values_list("vessel_id", "timestamp", "latitude", "longitude", "track")
    found = {(mmsi, at.timestamp()): (latitude, longitude) for mmsi, at, latitude, longitude, _ in rows}
    assert {track for *_, track in rows} == {0}
    assert (found.keys() - truth.keys(), truth.keys() - found.keys()) == (set(), set())
    assert all(found[key] == pytest.approx(place, abs=2e-6) for key, place in truth.items())
    newest = {mmsi: max(second for whose, second in truth if whose == mmsi) for mmsi, _ in truth}
    assert {int(mmsi): ts for mmsi, ts in shown.items()} == newest
