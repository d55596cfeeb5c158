"""What identities said of themselves before: a row a change, nothing for what did not change, and who reads it."""

from typing import Any

import pytest
from rest_framework.test import APIClient

from tests.support.keys import header, make_key
from tests.support.reports import NOON, later
from tracking.models import AircraftChange, Vessel, VesselChange
from tracking.positions.identities import AircraftSighting, VesselSighting, upsert_aircraft, upsert_vessels
from tracking.postgresql import arrays

pytestmark = pytest.mark.django_db

MMSI = 211000001


def see(seconds: int, source: str = "pier", **static: Any) -> None:
    at = later(seconds)
    upsert_vessels([VesselSighting(MMSI, at, at, at, static, source)])


def changes() -> list[tuple[Any, ...]]:
    return list(VesselChange.objects.order_by("id").values_list("field", "value", "source", "since"))


def test_a_value_leaves_a_row_when_it_is_first_heard_and_when_it_changes() -> None:
    see(0, name="STAR", draught=4.5)
    see(60, "ferry", name="STAR", destination="KIEL")
    see(120, "ferry", name="SUN", draught=4.5)
    assert changes() == [
        ("name", "STAR", "pier", NOON),
        ("draught", "4.5", "pier", NOON),
        ("destination", "KIEL", "ferry", later(60)),
        ("name", "SUN", "ferry", later(120)),
    ]


def test_what_says_nothing_new_writes_no_change() -> None:
    for seconds in (0, 60, 60, 120):
        see(seconds, name="STAR", imo=9074729)
    assert len(changes()) == 2


def test_the_changes_are_written_in_the_statement_that_changes_the_identity(monkeypatch: pytest.MonkeyPatch) -> None:
    execute, statements = arrays.execute, []
    monkeypatch.setattr(arrays, "execute", lambda *given: statements.append(given) or execute(*given))
    see(0, name="STAR")
    assert len(statements) == 2, "the sighting itself, and its static data"


def test_an_older_report_leaves_a_change_only_where_it_fills_a_gap() -> None:
    see(60, name="NEW")
    see(0, name="OLD", callsign="DABC")
    assert changes() == [("name", "NEW", "pier", later(60)), ("callsign", "DABC", "pier", NOON)]


def test_an_eta_moves_without_leaving_changes() -> None:
    see(0, eta=later(3600))
    see(60, eta=later(7200))
    assert changes() == []


def test_length_and_beam_alone_do_not_replace_the_antennas_place_of_the_same_ship() -> None:
    see(0, to_bow=90, to_stern=20, to_port=8, to_starboard=7)
    see(60, to_bow=0, to_stern=110, to_port=0, to_starboard=15)
    ship = Vessel.objects.get()
    assert (ship.to_bow, ship.to_stern, ship.to_port, ship.to_starboard) == (90, 20, 8, 7)
    see(120, to_bow=0, to_stern=120, to_port=0, to_starboard=15)
    ship.refresh_from_db()
    assert (ship.to_bow, ship.to_stern) == (0, 120), "another length is news"


def test_an_aircraft_has_its_changes_too() -> None:
    for seconds, callsign in ((0, "DLH1"), (60, "DLH1"), (120, "DLH2")):
        at = later(seconds)
        upsert_aircraft([AircraftSighting("3c6444", at, at, at, {"callsign": callsign}, "roof")])
    assert list(AircraftChange.objects.order_by("id").values_list("field", "value", "source")) == [
        ("callsign", "DLH1", "roof"),
        ("callsign", "DLH2", "roof"),
    ]


@pytest.fixture
def api(django_user_model: Any) -> APIClient:
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=header(make_key(django_user_model.objects.create_user("reader"))))
    return client


def test_the_api_gives_the_latest_changes_first_and_of_one_value_alone(api: APIClient) -> None:
    see(0, name="STAR", draught=4.5)
    see(60, name="SUN")
    found = api.get(f"/api/vessels/{MMSI}/history/").json()["results"]
    assert [(row["field"], row["value"]) for row in found] == [("name", "SUN"), ("draught", "4.5"), ("name", "STAR")]
    assert found[0] == {"since": "2026-05-01T12:01:00Z", "field": "name", "value": "SUN", "source": "pier"}
    named = api.get(f"/api/vessels/{MMSI}/history/?field=draught").json()["results"]
    assert [row["value"] for row in named] == ["4.5"]
    assert api.get(f"/api/vessels/{MMSI}/history/?field=eta").status_code == 400
    assert api.get(f"/api/vessels/{MMSI}/history/?fields=name").status_code == 400


def test_the_api_turns_pages_of_changes_of_one_moment(api: APIClient) -> None:
    see(0, name="STAR", draught=4.5, callsign="DABC", destination="KIEL", imo=9074729)
    address, seen = f"/api/vessels/{MMSI}/history/?page_size=2", []
    while address:
        page = api.get(address).json()
        seen += [row["field"] for row in page["results"]]
        address = page["next"]
    assert sorted(seen) == ["callsign", "destination", "draught", "imo", "name"]


def test_the_api_knows_no_history_of_a_stranger(api: APIClient) -> None:
    assert api.get("/api/vessels/211000009/history/").status_code == 404
    assert api.get("/api/aircraft/3c6444/history/").status_code == 404


def test_deleting_a_vessel_takes_its_changes_along() -> None:
    see(0, name="STAR")
    Vessel.objects.get().delete()
    assert not VesselChange.objects.exists()
