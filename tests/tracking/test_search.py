"""Search finds names in any case, by an index; a whole key is looked up and nothing else is read."""

import datetime as dt
from typing import Any

import pytest
from django.db import connection

from tracking import search
from tracking.models import Aircraft, Station, Vessel

pytestmark = pytest.mark.django_db

NOW = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
SEEN = {"first_seen": NOW, "last_seen": NOW}
ROWS = 20_000


@pytest.fixture
def many_vessels() -> None:
    Vessel.objects.bulk_create(
        Vessel(mmsi=200_000_000 + n, kind="ship", name=f"SHIP {n:x}", callsign=f"C{n}", **SEEN) for n in range(ROWS)
    )
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE tracking_vessel")


def plan(found: Any) -> str:
    return str(found.explain())


@pytest.mark.parametrize("text", ["dawn", "DAWN", "Dawn tr", "of dawn", "ab12", "Ab12"])
def test_a_vessel_is_found_whatever_the_case_of_its_name_and_of_the_question(text):
    for mmsi, name, callsign in ((1, "Lady of Dawn Treader", "aB12C"), (2, "LADY OF DAWN TREADER", "AB12C")):
        Vessel.objects.create(mmsi=mmsi, kind="ship", name=name, callsign=callsign, **SEEN)
    assert {vessel.mmsi for vessel in search.vessels(Vessel.objects.all(), text)} == {1, 2}


def test_aircraft_and_stations_are_found_whatever_the_case():
    Aircraft.objects.create(icao="3c6444", callsign="Dlh1", registration="d-Aiab", **SEEN)
    Station.objects.create(mmsi=3, kind="aid", name="Buoy west", **SEEN)
    assert search.aircraft(Aircraft.objects.all(), "dLH").count() == 1
    assert search.aircraft(Aircraft.objects.all(), "D-ai").count() == 1
    assert search.stations(Station.objects.all(), "BUOY").count() == 1


def test_a_word_that_could_be_a_key_is_looked_for_in_names_where_nobody_has_that_key():
    Vessel.objects.create(mmsi=5, kind="ship", name="UNIT 1234", **SEEN)
    Aircraft.objects.create(icao="3c6444", callsign="DEC123", **SEEN)
    assert search.vessels(Vessel.objects.all(), "1234").count() == 1
    assert search.aircraft(Aircraft.objects.all(), "dec123").count() == 1


@pytest.mark.usefixtures("many_vessels")
def test_a_whole_mmsi_uses_the_key_and_does_not_read_the_table():
    found = search.vessels(Vessel.objects.order_by("-last_seen", "mmsi"), "200000007")
    text = plan(found[:101])
    assert "tracking_vessel_pkey" in text and "Seq Scan" not in text and "vessel_last_seen" not in text
    assert found.get().name == "SHIP 7"


@pytest.mark.usefixtures("many_vessels")
def test_a_name_that_nobody_has_is_not_looked_for_row_by_row():
    with connection.cursor() as cursor:  # as a vacuum leaves the index, which cannot run in a test's transaction
        cursor.execute("SELECT gin_clean_pending_list('vessel_name_part')")
        cursor.execute("SET LOCAL enable_seqscan = off")  # a table of this size is read as fast as any index
    text = plan(search.vessels(Vessel.objects.order_by("-last_seen", "mmsi"), "qwertyuiop")[:101])
    assert "vessel_name_part" in text and "Seq Scan" not in text


def test_a_whole_icao_address_uses_the_key():
    Aircraft.objects.bulk_create(Aircraft(icao=f"{n:06x}", callsign=f"F{n}", **SEEN) for n in range(ROWS))
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE tracking_aircraft")
    text = plan(search.aircraft(Aircraft.objects.order_by("-last_seen", "icao"), "00000A")[:101])
    assert "Index Cond: ((icao)" in text and "Seq Scan" not in text and "aircraft_last_seen" not in text
