"""What may move a live document, by the rule alone, by Redis, and in a sea with faults."""

import datetime as dt
import math
import random
import time
from collections import Counter, defaultdict
from typing import Any

import numpy as np
import pytest
from django.test import Client

from ingest.pipeline import process
from ingest.reports import AircraftReport, VesselReport
from ingest.stages import live
from ingest.stages.work import Fused
from resilience.breaker.registry import in_process_breaker
from tests.support.messages import batch, position, sentences
from tests.support.recordings import recording
from tests.truth.faults import Sea
from tests.truth.pure import reports
from tracking.live.state import LiveKind, LiveState
from tracking.truth.budget import AIRCRAFT, VESSEL, Budget
from tracking.truth.live import filter as live_filter
from tracking.truth.live.filter import Sifted, sift
from tracking.truth.live.rule import FULL, LiveOutcome, LiveTrack, decide
from tracking.truth.models import PositionKind

T = 1_767_225_600_000


def said(second: float, latitude: float = 51.00001, score: int = 80, speed: float = 12.0) -> LiveTrack:
    return LiveTrack(T + round(second * 1000), latitude, 3.00001, speed, 1, score, 0)


def outcomes(given: list[LiveTrack], budget: Budget = VESSEL) -> list[LiveOutcome]:
    tracks: object = ()
    found = []
    for report in given:
        outcome, after = decide(tracks, report, budget)  # type: ignore[arg-type]
        tracks = tracks if after is None else after
        found.append(outcome)
    return found


def sailing(count: int, latitude: float = 51.00001, start: float = 0) -> list[LiveTrack]:
    return [said(start + 10 * n, latitude + n * 0.0005) for n in range(count)]


def test_a_ship_that_sails_is_shown():
    assert set(outcomes(sailing(20))) == {LiveOutcome.SHOWN}


def test_a_teleport_is_hidden_and_what_follows_is_shown():
    given = sailing(10)
    given[5] = given[5]._replace(latitude=20.00001)
    assert outcomes(given) == [LiveOutcome.SHOWN] * 5 + [LiveOutcome.HIDDEN] + [LiveOutcome.SHOWN] * 4


def test_a_wrong_first_fix_is_replaced_by_the_second_that_agrees_with_another():
    given = sailing(4)
    given[0] = given[0]._replace(latitude=20.00001)
    assert outcomes(given) == [LiveOutcome.SHOWN, LiveOutcome.HIDDEN, LiveOutcome.TAKEN_OVER, LiveOutcome.SHOWN]


def test_another_ship_takes_the_document_over_only_when_the_first_is_silent():
    others = [said(5 + 10 * n, -33.00001 - n * 0.0005) for n in range(20)]
    both = outcomes(sorted([*sailing(20), *others]))
    assert Counter(both)[LiveOutcome.SHOWN] == 20 and LiveOutcome.TAKEN_OVER not in both
    alone = outcomes([*sailing(6), *(track._replace(ts=track.ts + 60_000) for track in others)])
    assert alone.index(LiveOutcome.TAKEN_OVER) > 6 + FULL - 1


def test_null_island_is_hidden():
    assert outcomes([said(0, 0.0)._replace(longitude=0.0)]) == [LiveOutcome.HIDDEN]


def test_a_coarse_report_does_not_move_a_fine_one():
    coarse = said(30, round(51.002 * 600) / 600)._replace(longitude=3.0, coarse=True)
    assert outcomes([*sailing(3), coarse])[-1] == LiveOutcome.HIDDEN
    assert outcomes([coarse, coarse._replace(ts=T + 200_000)]) == [LiveOutcome.SHOWN] * 2


@pytest.mark.parametrize(("seconds", "outcome"), [(10, LiveOutcome.HIDDEN), (16, LiveOutcome.SHOWN)])
def test_a_worse_source_takes_over_only_what_is_stale(seconds: int, outcome: LiveOutcome):
    assert outcomes([said(0), said(seconds, 51.0002, score=40)], AIRCRAFT)[-1] == outcome
    assert outcomes([said(0), said(seconds, 51.0002, score=90)], AIRCRAFT)[-1] == LiveOutcome.SHOWN


def test_an_older_report_is_left_to_the_document():
    assert outcomes([said(10), said(0)]) == [LiveOutcome.SHOWN, LiveOutcome.LATE]


@pytest.mark.parametrize(
    ("course", "outcome"), [(0.0, LiveOutcome.HIDDEN), (180.0, LiveOutcome.SHOWN), (math.nan, LiveOutcome.SHOWN)]
)
def test_an_aircraft_that_lies_behind_where_it_just_was_is_an_older_report(course: float, outcome: LiveOutcome):
    main, behind = said(0, 51.01, speed=400.0), said(1, 51.008, speed=400.0)
    assert decide([main], behind, AIRCRAFT, course)[0] == outcome
    assert decide([main], behind._replace(ts=main.ts + 6000), AIRCRAFT, course)[0] == LiveOutcome.SHOWN


# --- with Redis -------------------------------------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True, databases=["default", "direct"])
@pytest.mark.usefixtures("live_redis")
def test_a_teleport_does_not_move_the_document_of_the_pipeline():

    now = round(time.time() * 1000) - 60_000
    for n, latitude in enumerate((52.00001, 52.0005, 20.00001, 52.0015)):
        one = batch([position(lat=latitude, lon=4.00001)], received_at=now + n * 10_000, live=True, recorded=False)
        process(one, in_process_breaker)
        document = LiveState(LiveKind.VESSEL).get("244660123")
        assert document is not None and document["lat"] > 50


@pytest.mark.django_db(transaction=True, databases=["default", "direct"])
@pytest.mark.usefixtures("live_redis")
@pytest.mark.parametrize(("latitude", "speed"), [(52.00001, 12.3), (52.1, 12.0)])
@pytest.mark.parametrize("together", [True, False])
def test_a_long_range_report_displaces_no_fresh_precise_place_whatever_that_looks_like(latitude, speed, together):
    at = round(time.time() * 1000) - 900_000
    precise = position(lat=latitude, lon=4.1, speed=speed)
    (coarse,) = sentences(type=27, mmsi=244660123, lat=latitude + 0.02, lon=4.12, speed=11, course=90)
    raws = [[precise, coarse, coarse]] if together else [[precise], [coarse], [coarse]]
    for number, some in enumerate(raws):
        process(
            batch(some, received_at=at + number * 60_000, step=60_000, live=True, recorded=False), in_process_breaker
        )
        assert place_of_the_ship() == pytest.approx(latitude, abs=1e-5)
    later = batch([coarse], received_at=at + 800_000, live=True, recorded=False)
    process(later, in_process_breaker)
    assert place_of_the_ship() == pytest.approx(latitude + 0.02, abs=0.01)  # the precise one is no longer fresh


@pytest.mark.django_db(transaction=True, databases=["default", "direct"])
@pytest.mark.usefixtures("live_redis")
def test_reports_told_to_be_precise_move_the_document_though_they_look_coarse():
    at = round(time.time() * 1000) - 60_000
    for number, latitude in enumerate((52.1, 52.105, 52.11)):
        raws = [position(lat=latitude, lon=4.1, speed=35.0)]
        process(batch(raws, received_at=at + number * 20_000, live=True, recorded=False), in_process_breaker)
        assert place_of_the_ship() == pytest.approx(latitude, abs=1e-5)


@pytest.mark.data
@pytest.mark.django_db(transaction=True, databases=["default", "direct"])
@pytest.mark.usefixtures("live_redis")
def test_the_field_s_long_range_report_leaves_the_document_where_it_was():
    lines = recording("field/h19_type27_after_1.nmea").read_bytes().split()
    at = round(time.time() * 1000) - 60_000
    process(batch([lines[1], lines[3]], received_at=at, live=True, recorded=False), in_process_breaker)
    assert place_of_the_ship("244001901") == pytest.approx(54.123457, abs=1e-5)


def place_of_the_ship(mmsi: str = "244660123") -> float:
    document = LiveState(LiveKind.VESSEL).get(mmsi)
    assert document is not None
    return float(document["lat"])


@pytest.mark.usefixtures("live_redis")
def test_without_a_refused_position_static_data_still_comes():
    updates = live.live_updates(Fused(), Sifted({0}, {}, {}))
    assert updates == {LiveKind.VESSEL: [], LiveKind.AIRCRAFT: [], LiveKind.STATION: []}


@pytest.mark.usefixtures("live_redis")
def test_in_a_sea_with_faults_nothing_false_is_shown():
    heard = Sea(seed=1, minutes=14).heard()
    faults = ("teleport", "null_island", "spoof", "coarse")
    wrong = {event.place for event in heard if event.wrong and event.group in faults}
    found = [report for report in reports(heard) if report.source == "main" or report.source == "sat"]
    shown: defaultdict[bool, int] = defaultdict(int)
    others: defaultdict[bool, int] = defaultdict(int)
    for start in range(0, len(found), 200):
        some = found[start : start + 200]
        without, beside, _ = sift(PositionKind.VESSEL, some)
        for index, report in enumerate(some):
            place = report.vessel_id, round(report.latitude * 600_000), round(report.longitude * 600_000)
            shown[place in wrong] += index not in without
            others[place in wrong] += index in beside
    assert shown[True] == 0
    assert others[True] == 0
    assert shown[False] > 0.9 * len(found) - len(wrong)


@pytest.mark.django_db(transaction=True, databases=["default", "direct"])
@pytest.mark.usefixtures("live_redis")
def test_two_ships_with_one_mmsi_are_two_targets_until_one_is_silent(client: Client, settings: Any):
    settings.LIVE_PUBLIC = True
    start = round(time.time() * 1000) - 1_400_000
    live = {"live": True, "recorded": False}

    def say(n: int, *latitudes: float) -> None:
        raws = [position(lat=latitude + n * 0.0003 + 0.00001, lon=4.00001, second=60) for latitude in latitudes]
        process(batch(raws, received_at=start + n * 10_000, step=1500, **live), in_process_breaker)

    for n in range(12):
        say(n, 52.0, -33.0)
    first, second = (LiveState(LiveKind.VESSEL).get(key) for key in ("244660123", "244660123/1"))
    assert first is not None and second is not None
    assert (first["lat"] > 50, second["lat"] < -30, first["tracks"], second["tracks"]) == (True, True, 2, 2)
    found = client.get("/api/live/vessels/?bbox=-180,-90,180,90").json()["results"]
    assert {document["id"] for document in found} == {"244660123", "244660123/1"}
    assert client.get("/api/live/vessels/244660123/1/").json()["lat"] < -30
    assert client.get("/api/live/vessels/244660123/2/").status_code == 404
    for n in range(105, 110):
        say(n, 52.0)
    again = LiveState(LiveKind.VESSEL).get("244660123")
    assert again is not None and again["tracks"] == 1


@pytest.mark.usefixtures("live_redis")
@pytest.mark.parametrize("kind", [PositionKind.VESSEL, PositionKind.AIRCRAFT])
def test_many_at_once_are_decided_as_one_by_one(kind: PositionKind, live_redis: Any, monkeypatch: pytest.MonkeyPatch):
    found = []
    for one_by_one in (False, True):
        live_redis.flushdb()
        with monkeypatch.context() as patch:
            if one_by_one:
                patch.setattr(live_filter, "continued", lambda main, reports, budget: (np.zeros(len(main), bool), main))
            hidden_of = [sift(kind, batch).hidden for batch in mixed(kind)]
        (name,) = live_redis.keys("v2:*:filter:*")
        found.append((hidden_of, live_redis.hgetall(name)))
    assert found[0] == found[1]
    assert sum(map(len, found[0][0])) > 20


def mixed(kind: PositionKind) -> list[list[Any]]:
    """Batches of 60 targets, some of which jump, repeat, go back, are coarse, late or of a worse source."""
    chance = random.Random(4)
    start = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
    batches = []
    for turn in range(12):
        reports = []
        for number in range(60):
            odd = chance.randrange(12) if turn > 2 else 11
            latitude, longitude = 50 + number * 0.2 + turn * 0.0004 + 0.00001, 3.00001 + turn * 0.0002
            if odd == 0:
                latitude, longitude = -latitude, longitude + 100
            elif odd == 1:
                latitude, longitude = round(latitude * 600) / 600, 3.0
            elif odd == 2:
                latitude -= 0.0006
            speed = None if odd == 3 else 9.0 if odd == 1 else 9.3 + number % 7
            late = -40 if odd == 4 else 0
            at = start + dt.timedelta(seconds=8 * turn + late + number % 3)
            score = 40 if odd == 5 else 80
            key = 244660000 + number if kind is PositionKind.VESSEL else f"3c64{number:02x}"
            reports.append(report_of(kind, key, at, latitude, longitude, speed, None if odd == 6 else 10.0, score))
        batches.append([*reports, *chance.sample(reports, 3)])
    return batches


def report_of(
    kind: PositionKind, key: Any, at: dt.datetime, lat: float, lon: float, speed: Any, course: Any, score: int
) -> Any:
    if kind is PositionKind.VESSEL:
        return VesselReport(key, at, lat, lon, speed, course, None, None, at, "test", score)
    return AircraftReport(key, at, lat, lon, 3000, speed, course, 0, False, at, "test", score)
