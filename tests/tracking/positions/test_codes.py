"""Codes in words: the same on the map, in the admin and in the API."""

import datetime as dt
import re
from pathlib import Path

import pytest
from django.urls import reverse

import tracking
from tracking.models import Vessel, VesselPosition
from tracking.positions import codes

KINDS = (Path(tracking.__file__).parent / "static/map/js/kinds.js").read_text()
NOON = dt.datetime(2026, 5, 1, 12, tzinfo=dt.UTC)


def pairs(name: str) -> dict[int, str]:
    found = re.search(rf"const {name} = {{(.*?)}};", KINDS, re.S)
    assert found
    return {int(code): word for code, word in re.findall(r'(\d+): "([^"]+)"', found[1])}


def test_the_map_says_the_same_words():
    assert pairs("TYPES") == codes._TYPES
    assert pairs("TENS") == codes._TENS
    found = re.search(r"const STATUS = \[(.*?)\];", KINDS, re.S)
    assert found
    words = [word or None for word in re.findall(r'"([^"]+)"|null', found[1])]
    assert {code: word for code, word in enumerate(words) if word} == codes._STATUSES


@pytest.mark.parametrize(
    ("code", "text"),
    [
        (70, "Cargo ship (70)"),
        (89, "Tanker (89)"),
        (36, "Sailing (36)"),
        (38, "Reserved type (38)"),
        (199, "Reserved type (199)"),
        (0, None),
        (None, None),
    ],
)
def test_a_ship_type_is_a_word_with_its_code(code, text):
    assert codes.ship_type_text(code) == text


@pytest.mark.parametrize(
    ("code", "text"),
    [(0, "Under way, engine (0)"), (5, "Moored (5)"), (9, "Reserved (9)"), (15, None), (None, None)],
)
def test_a_status_is_a_word_with_its_code(code, text):
    assert codes.status_text(code) == text


@pytest.mark.django_db
@pytest.mark.usefixtures("live_redis")
def test_lists_and_pages_show_the_words(admin_client):
    ship = Vessel.objects.create(mmsi=211000001, kind="ship", ship_type=70, first_seen=NOON, last_seen=NOON)
    VesselPosition.objects.create(
        vessel=ship, timestamp=NOON, received_at=NOON, source="pier", score=80, latitude=54.5, longitude=10.2, status=5
    )
    for page in (
        reverse("admin:tracking_vessel_changelist"),
        reverse("admin:tracking_vessel_change", args=[ship.pk]),
    ):
        assert "Cargo ship (70)" in admin_client.get(page).content.decode()
    assert "Moored (5)" in admin_client.get(reverse("admin:tracking_vesselposition_changelist")).content.decode()
    assert admin_client.get("/api/vessels/").json()["results"][0]["ship_type_text"] == "Cargo ship (70)"
    found = admin_client.get(f"/api/vessels/{ship.pk}/").json()
    assert (found["ship_type_text"], found["position"]["status_text"]) == ("Cargo ship (70)", "Moored (5)")
