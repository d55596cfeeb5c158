"""Vessels, aircraft and stations in PostgreSQL: kinds, static data by time, seen times, few rewrites, two writers."""

import datetime as dt
import threading
from typing import Any

import pytest
from django.db import DataError, IntegrityError, connection, transaction

from tests.support.patience import PATIENCE_SECONDS
from tests.support.reports import NOON, later, side_by_side
from tracking.models import Aircraft, Station, Vessel
from tracking.positions.identities import (
    REWRITE_SECONDS,
    AircraftSighting,
    StationSighting,
    VesselSighting,
    upsert_aircraft,
    upsert_stations,
    upsert_vessels,
)

MMSI = 211000001
BUOY = 992111001


def see(at: dt.datetime, mmsi: int = MMSI, **static: Any) -> None:
    upsert_vessels([VesselSighting(mmsi, at, at, at if static else None, static)])


def see_station(at: dt.datetime, name: str | None = None, latitude: float | None = 54.0, **more: Any) -> None:
    sighting = StationSighting(BUOY, at, more.pop("kind", "aid"), latitude, 10.0, name, more.pop("aid_type", None))
    upsert_stations([sighting])


def vessel() -> Vessel:
    return Vessel.objects.get()


def versions(model: type[Vessel | Aircraft | Station]) -> list[tuple[str]]:
    """Who wrote the rows and where they lie: any UPDATE changes this."""
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT xmin::text || ctid::text FROM {model._meta.db_table} ORDER BY 1")
        return cursor.fetchall()


# --- vessels ----------------------------------------------------------------------------------------------------------


@pytest.mark.django_db
def test_a_new_vessel_gets_its_kind_and_flag_from_its_number() -> None:
    see(NOON)
    see(NOON, mmsi=970000000 + 1)
    assert list(Vessel.objects.values_list("mmsi", "kind", "flag", "name", "static_at")) == [
        (MMSI, "ship", "DE", "", None),
        (970000001, "sart", "", "", None),
    ]


@pytest.mark.django_db
def test_an_empty_batch_of_identities_is_no_error() -> None:
    for upsert in (upsert_vessels, upsert_aircraft, upsert_stations):
        upsert([])
    assert not any(model.objects.exists() for model in (Vessel, Aircraft, Station))


@pytest.mark.django_db
@pytest.mark.parametrize("newest_first", [True, False])
def test_newer_static_data_win_and_older_only_fill_gaps(newest_first: bool) -> None:
    new = (later(360), {"name": "NEW", "draught": 4.5, "destination": "KIEL"})
    old = (NOON, {"name": "OLD", "draught": 9.9, "callsign": "DABC", "imo": 9074729})
    for at, static in (new, old) if newest_first else (old, new):
        see(at, **static)
    found = vessel()
    assert (found.name, found.draught, found.destination) == ("NEW", 4.5, "KIEL")
    assert (found.callsign, found.imo, found.static_at) == ("DABC", 9074729, later(360))


@pytest.mark.django_db
@pytest.mark.parametrize("seconds", [0, 1, -1])
def test_the_parts_of_type_24_do_not_blank_each_other(seconds: int) -> None:
    see(NOON, name="ANNA")
    see(later(seconds), ship_type=36, callsign="DXYZ", to_bow=5)
    see(later(seconds), name="")
    found = vessel()
    assert (found.name, found.ship_type, found.callsign, found.to_bow) == ("ANNA", 36, "DXYZ", 5)


@pytest.mark.django_db
def test_seen_times_only_widen() -> None:
    see(NOON)
    upsert_vessels([VesselSighting(MMSI, later(-300), later(-200))])
    assert (vessel().first_seen, vessel().last_seen) == (later(-300), NOON)
    upsert_vessels([VesselSighting(MMSI, later(100), later(600))])
    assert (vessel().first_seen, vessel().last_seen) == (later(-300), later(600))


@pytest.mark.django_db
def test_a_vessel_is_rewritten_once_a_minute_at_most() -> None:
    see(NOON)
    before = versions(Vessel)
    for seconds in (0, 1, REWRITE_SECONDS - 1):
        see(later(seconds))
    assert versions(Vessel) == before and vessel().last_seen == NOON
    see(later(REWRITE_SECONDS))
    assert versions(Vessel) != before and vessel().last_seen == later(REWRITE_SECONDS)


@pytest.mark.django_db
def test_static_data_within_the_minute_are_written_at_once() -> None:
    see(NOON)
    see(later(1), name="ANNA")
    assert (vessel().name, vessel().static_at) == ("ANNA", later(1))


@pytest.mark.django_db
def test_one_whole_number_among_draughts_does_not_fail_the_batch() -> None:
    sightings = [VesselSighting(n, NOON, NOON, NOON, {"draught": draught}) for n, draught in ((1, 4), (2, 4.5))]
    upsert_vessels([*sightings, VesselSighting(3, NOON, NOON)])
    assert list(Vessel.objects.values_list("draught", flat=True)) == [4.0, 4.5, None]


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("sighting", "error"),
    [
        (VesselSighting(0, NOON, NOON), IntegrityError),
        (VesselSighting(1_000_000_000, NOON, NOON), IntegrityError),
        (VesselSighting(2, NOON, NOON, NOON, {"draught": 25.6}), IntegrityError),
        (VesselSighting(2, NOON, NOON, NOON, {"name": "N" * 21}), DataError),
    ],
    ids=["mmsi 0", "mmsi too long", "draught", "name"],
)
def test_a_refused_vessel_takes_its_batch_with_it(sighting: VesselSighting, error: type[Exception]) -> None:
    with pytest.raises(error), transaction.atomic():
        upsert_vessels([VesselSighting(MMSI, NOON, NOON), sighting])
    assert not Vessel.objects.exists()


# --- aircraft ---------------------------------------------------------------------------------------------------------


def hear(at: dt.datetime, icao: str = "3c6444", **static: str) -> None:
    upsert_aircraft([AircraftSighting(icao, at, at, at if static else None, static)])


@pytest.mark.django_db
@pytest.mark.parametrize("newest_first", [True, False])
def test_the_latest_callsign_of_an_aircraft_wins_and_older_data_fill_gaps(newest_first: bool) -> None:
    new, old = (later(60), {"callsign": "DLH2"}), (NOON, {"callsign": "DLH1", "squawk": "0021"})
    for at, static in (new, old) if newest_first else (old, new):
        hear(at, **static)
    found = Aircraft.objects.get()
    assert (found.callsign, found.squawk, found.registration) == ("DLH2", "0021", "")
    assert (found.first_seen, found.last_seen) == (NOON, later(60))


@pytest.mark.django_db
def test_an_aircraft_is_rewritten_once_a_minute_at_most() -> None:
    hear(NOON)
    before = versions(Aircraft)
    hear(later(REWRITE_SECONDS - 1))
    assert versions(Aircraft) == before
    hear(later(REWRITE_SECONDS))
    assert versions(Aircraft) != before


@pytest.mark.django_db
@pytest.mark.parametrize("icao", ["3C6444", "3c644", "x3c6444", ""])
def test_what_is_no_icao_address_is_refused(icao: str) -> None:
    with pytest.raises(IntegrityError), transaction.atomic():
        hear(NOON, icao)
    hear(NOON, "~3c6444")


# --- stations ---------------------------------------------------------------------------------------------------------


@pytest.mark.django_db
@pytest.mark.parametrize("newest_first", [True, False])
def test_the_newer_sighting_of_a_station_wins_and_the_older_fills_gaps(newest_first: bool) -> None:
    new, old = (later(60), "", 55.0, {}), (NOON, "KIEL LT", 54.0, {"aid_type": 5})
    for at, name, latitude, more in (new, old) if newest_first else (old, new):
        see_station(at, name, latitude, **more)
    found = Station.objects.get()
    assert (found.latitude, found.name, found.aid_type) == (55.0, "KIEL LT", 5)
    assert (found.first_seen, found.last_seen) == (NOON, later(60))


@pytest.mark.django_db
def test_a_station_without_position_keeps_the_one_it_had() -> None:
    see_station(NOON, latitude=54.0)
    see_station(later(1), latitude=None)
    assert Station.objects.values_list("latitude", "longitude", "last_seen").get() == (54.0, 10.0, later(1))


@pytest.mark.django_db
def test_a_redelivered_station_is_not_rewritten() -> None:
    see_station(NOON, "KIEL LT", aid_type=5)
    see_station(later(60), None)
    before = versions(Station)
    see_station(later(60), None)
    see_station(NOON, "KIEL LT", aid_type=5)
    assert versions(Station) == before


@pytest.mark.django_db
def test_whole_numbers_among_the_stations_coordinates_do_not_fail_the_batch() -> None:
    places = ((1, 54, 10.5), (2, 54.5, 10), (3, None, None))
    upsert_stations([StationSighting(mmsi, NOON, "base", lat, lon, None, None) for mmsi, lat, lon in places])
    assert list(Station.objects.values_list("mmsi", "latitude", "longitude")) == [
        (1, 54, 10.5),
        (2, 54.5, 10),
        places[2],
    ]


# --- writers side by side ---------------------------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
def test_two_writers_of_the_same_identities_in_opposite_order_never_deadlock() -> None:
    together, numbers = threading.Barrier(2, timeout=PATIENCE_SECONDS), range(1, 401)

    def write(order: int) -> None:
        for turn in range(6):
            at = later(turn * REWRITE_SECONDS)
            vessels = [VesselSighting(n, at, at, at, {"name": str(turn)}) for n in numbers]
            stations = [StationSighting(n, at, "aid", 54.0, 10.0, str(turn), None) for n in numbers]
            aircraft = [AircraftSighting(f"{n:06x}", at, at, at, {"callsign": str(turn)}) for n in numbers]
            together.wait()
            with transaction.atomic():  # the rows are locked by the first statement, in order, for all that follow
                upsert_vessels(vessels[::order])
                upsert_aircraft(aircraft[::order])
                upsert_stations(stations[::order])

    side_by_side(lambda: write(1), lambda: write(-1))
    assert set(Vessel.objects.values_list("name", flat=True)) == {"5"} and Vessel.objects.count() == 400
    assert set(Aircraft.objects.values_list("callsign", flat=True)) == {"5"} and Aircraft.objects.count() == 400
    assert set(Station.objects.values_list("name", flat=True)) == {"5"} and Station.objects.count() == 400
