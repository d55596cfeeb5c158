"""Reports of one batch, folded: rows, sightings and live updates."""

import datetime as dt
from itertools import pairwise

import pytest
from django.db import transaction
from hypothesis import given
from hypothesis import strategies as st

from ingest.reports import AircraftReport, AircraftStatic, Decoded, StationReport, VesselReport, VesselStatic
from ingest.stages.fusion import folded
from ingest.stages.live import live_updates
from ingest.stages.storing.store import _store_rows
from ingest.stages.work import Counts
from tests.support.messages import NOON
from tests.support.properties import examples
from tracking.live.state import LiveKind
from tracking.models import Aircraft, AircraftPosition, Station, VesselPosition

LATER = NOON + dt.timedelta(seconds=10)


def ship(at=NOON, **fields):
    values = {"vessel_id": 244660123, "timestamp": at, "latitude": 52.0, "longitude": 4.0, "speed": 10.0}
    values |= {"course": 90.0, "heading": 91, "status": 0, "received_at": at, "source": "a", "score": 80}
    return Decoded(position=VesselReport(**values | fields))


def plane(at=NOON, **fields):
    values = {"aircraft_id": "4ca7b5", "timestamp": at, "latitude": 52.0, "longitude": 4.0, "altitude": 35000}
    values |= {"ground_speed": 450.5, "heading": 270.0, "vertical_rate": -640, "on_ground": False}
    values |= {"received_at": at, "source": "a", "score": 80}
    return Decoded(position=AircraftReport(**values | fields))


def fold(*decoded):
    return folded(enumerate(decoded))


def live(fused, kind=LiveKind.VESSEL):
    """The one live update of a kind."""
    (update,) = live_updates(fused)[kind]
    return update


def test_reports_of_one_moment_become_one_row_and_fill_each_others_gaps():
    fused = fold(ship(heading=None), ship(speed=None, source="b"))
    (row,) = fused.rows[VesselPosition]
    assert (row.source, row.speed, row.heading) == ("b", 10.0, 91)
    assert (len(fused.positions), fused.merged, fused.duplicate) == (2, 1, 0)


def test_the_newest_position_is_live_and_what_it_lacks_keeps_its_age():
    for order in ((ship(heading=91), ship(LATER, heading=None)), (ship(LATER, heading=None), ship(heading=91))):
        update = live(fold(*order))
        assert (update.ts, update.fields["heading"]) == (LATER.timestamp(), 91)
        assert update.ages == {"heading": NOON.timestamp()}


def test_static_data_of_two_parts_are_merged_and_the_newer_wins():
    name = Decoded(static=VesselStatic(244660123, NOON, name="OLD"))
    more = Decoded(static=VesselStatic(244660123, LATER, name="NEW", callsign="PABC"))
    for order in ((name, more, ship()), (ship(), more, name)):
        fused = fold(*order)
        assert fused.vessels[244660123].static == {"name": "NEW", "callsign": "PABC"}
        assert fused.vessels[244660123].static_at == LATER
        assert live(fused).static == {"name": "NEW", "callsign": "PABC"}
        assert live(fused).latitude == 52.0


def test_a_vessel_is_seen_from_its_first_to_its_last_report():
    fused = fold(ship(LATER), ship(NOON), ship(NOON + dt.timedelta(seconds=5)))
    assert (fused.vessels[244660123].first_seen, fused.vessels[244660123].last_seen) == (NOON, LATER)


def test_the_newest_report_of_a_station_is_kept_and_completed():
    named = Decoded(station=StationReport(992442001, NOON, "aid", 52.0, 4.0, "MAAS CENTER", 9))
    bare = Decoded(station=StationReport(992442001, LATER, "aid", None, None, None, None))
    for order in ((named, bare), (bare, named)):
        station = fold(*order).stations[992442001]
        assert (station.seen, station.name, station.latitude) == (LATER, "MAAS CENTER", 52.0)


def test_aircraft_and_vessels_of_one_batch_are_kept_apart():
    fused = fold(ship(), plane(), Decoded(static=AircraftStatic("4ca7b5", NOON, callsign="EIN1")))
    assert {model.__name__: len(rows) for model, rows in fused.rows.items()} == {
        "VesselPosition": 1,
        "AircraftPosition": 1,
    }
    update = live(fused, LiveKind.AIRCRAFT)
    assert (update.fields["altitude"], update.fields["on_ground"], update.static) == (
        35000,
        False,
        {"callsign": "EIN1"},
    )


def test_ages_of_an_aircraft_reach_live_state_for_values_that_are_there():
    fused = fold(plane(vertical_rate=None, ages={"vertical_rate": 1.0, "ground_speed": 2.0}))
    assert live(fused, LiveKind.AIRCRAFT).ages == {"ground_speed": 2.0}


@pytest.mark.django_db
def test_aircraft_are_stored_with_identity_and_position():
    counts = Counts()
    static = Decoded(static=AircraftStatic("4ca7b5", NOON, callsign="EIN1", squawk="0021"))
    assert _store_rows(fold(plane(), plane(LATER, altitude=None, on_ground=True), static), counts) == []

    assert (counts.stored, counts.merged, counts.duplicate) == (2, 0, 0)
    aircraft = Aircraft.objects.get()
    assert (aircraft.icao, aircraft.callsign, aircraft.squawk) == ("4ca7b5", "EIN1", "0021")
    assert (aircraft.first_seen, aircraft.last_seen) == (NOON, LATER)
    assert list(AircraftPosition.objects.order_by("timestamp").values_list("altitude", "on_ground")) == [
        (35000, False),
        (None, True),
    ]


def aid(second, mmsi=992442001, **fields):
    values = {"kind": "aid", "latitude": 52.0, "longitude": 4.0, "name": None, "aid_type": None}
    return Decoded(station=StationReport(mmsi, NOON + dt.timedelta(seconds=second), **values | fields))


def stations_of(reports, cuts):
    """What is stored of the reports, cut into batches, in an empty table."""
    with transaction.atomic():
        for start, end in pairwise([0, *sorted(cuts), len(reports)]):
            _store_rows(fold(*reports[start:end]), Counts())
        found = list(Station.objects.order_by("mmsi").values())
        transaction.set_rollback(True)
    return found


heard = st.lists(st.builds(aid, st.integers(0, 9), mmsi=st.sampled_from([992442001, 2444])), min_size=1, max_size=8)


@pytest.mark.django_db
@examples(40)
@given(reports=heard, data=st.data())
def test_when_a_station_was_first_and_last_seen_depends_on_no_order_and_no_cut(reports, data):
    shuffled = data.draw(st.permutations(reports))
    cuts = data.draw(st.lists(st.integers(0, len(reports)), max_size=4))
    found = stations_of(shuffled, cuts)
    assert found == stations_of(reports, []) == stations_of(reports, list(range(1, len(reports))))
    for row in found:
        times = [said.station.at for said in reports if said.station.mmsi == row["mmsi"]]
        assert (row["first_seen"], row["last_seen"]) == (min(times), max(times))


said = st.builds(aid, st.integers(0, 9), name=st.sampled_from([None, "A", "B"]), aid_type=st.sampled_from([None, 1, 2]))
in_time = st.lists(said, min_size=1, max_size=6, unique_by=lambda one: one.station.at).map(
    lambda reports: sorted(reports, key=lambda one: one.station.at)
)


@pytest.mark.django_db
@examples(40)
@given(reports=in_time, data=st.data())
def test_what_a_station_says_depends_on_no_cut(reports, data):
    cuts = data.draw(st.lists(st.integers(0, len(reports)), max_size=4))
    assert stations_of(reports, cuts) == stations_of(reports, [])


@pytest.mark.django_db
@pytest.mark.parametrize("cuts", [[], [1]])
def test_of_two_reports_of_a_station_of_one_moment_the_first_stays(cuts):
    (row,) = stations_of([aid(0, name="A"), aid(0, name="B", aid_type=9)], cuts)
    assert (row["name"], row["aid_type"]) == ("A", 9)
