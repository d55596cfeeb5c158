"""What stands below the page of a ship or aircraft: its track, batches of its feeds, its dead letters."""

import datetime as dt
import uuid

import pytest
from django.apps import apps
from django.contrib.auth.models import Permission, User
from django.db import OperationalError
from django.test import Client
from django.urls import reverse

from ingest import targets
from ingest.models import Batch
from ingest.stages.storing.store import MESSAGE_KIND
from tests.support.letters import make_letter
from tests.support.messages import position
from tracking.models import Aircraft, Vessel, VesselPosition

pytestmark = pytest.mark.django_db

NOON = dt.datetime(2026, 5, 1, 12, tzinfo=dt.UTC)
MMSI = 211000001


@pytest.fixture
def ship() -> Vessel:
    """Heard by `pier` at noon, and by `old` two days before."""
    found = Vessel.objects.create(mmsi=MMSI, kind="ship", name="STAR", first_seen=NOON, last_seen=NOON)
    for source, at in (("pier", NOON), ("old", NOON - dt.timedelta(days=2))):
        place = {"received_at": at, "score": 80, "latitude": 54.5, "longitude": 10.2}
        VesselPosition.objects.create(vessel=found, timestamp=at, source=source, **place)
    return found


def book(source: str) -> Batch:
    times = {"accepted_at": NOON, "booked_at": NOON}
    return Batch.objects.create(run=uuid.uuid4(), source=source, format="nmea", messages=3, other=3, **times)


def die(mmsi: int, **changes: object) -> None:
    context = {"format": "nmea", "trust": 80, "recorded": False, "invented": False, "added": ""}
    make_letter(**{"kind": MESSAGE_KIND, "raw": position(mmsi), "context": context} | changes)


def test_the_batches_are_those_of_the_feeds_that_last_heard_it(ship):
    mine, _, _ = book("pier"), book("old"), book("elsewhere")
    [row] = targets.batches("vessel", ship.pk)
    assert row[0].url == reverse("admin:ingest_batch_change", args=[mine.pk])
    assert [cell.text for cell in row[1:]] == ["pier", "3", "0", "0", "0"]


def test_a_target_that_nobody_knows_has_no_batches():
    book("pier")
    assert targets.batches("aircraft", "3c6444") == []


def test_the_letters_are_those_whose_message_is_of_the_target():
    die(MMSI, reason="mine"), die(211000002), die(MMSI, status="resolved"), make_letter(raw=b"rubbish")
    assert [[cell.text for cell in row[1:]] for row in targets.letters(MMSI)] == [["harbour", "store", "mine"]]


def test_letters_that_cannot_be_decoded_belong_to_nobody():
    die(MMSI, raw=b"!AIVDM,rubbish")
    make_letter(kind=MESSAGE_KIND, raw=position(MMSI), context={"format": "of-tomorrow"})
    assert targets.letters(MMSI) == []


def test_the_page_shows_the_track_and_the_tables(ship, admin_client):
    book("pier"), die(MMSI)
    page = admin_client.get(reverse("admin:tracking_vessel_change", args=[ship.pk])).content.decode()
    assert f'data-track="/api/vessels/{MMSI}/track/"' in page
    assert f'#sel=v{MMSI}"' in page
    assert "Latest batches of the feeds that last heard it" in page and "check_violation" in page
    plane = Aircraft.objects.create(icao="3c6444", first_seen=NOON, last_seen=NOON)
    page = admin_client.get(reverse("admin:tracking_aircraft_change", args=[plane.pk])).content.decode()
    assert 'data-track="/api/aircraft/3c6444/track/"' in page and "No feed has heard it" in page


def test_who_may_not_see_batches_and_letters_sees_none_of_them(ship):
    book("pier"), die(MMSI)
    user = User.objects.create_user("clerk", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename="view_vessel"))
    client = Client()
    client.force_login(user)
    page = client.get(reverse("admin:tracking_vessel_change", args=[ship.pk])).content.decode()
    assert "Last track" in page and "Latest batches" not in page and "check_violation" not in page


def test_a_table_whose_server_is_away_says_so_and_the_page_opens(ship, admin_client, monkeypatch):
    def away() -> list[object]:
        raise OperationalError("host secret.example")

    table = {"title": "Batches", "permission": "ingest.view_batch", "headings": ["Booked"], "empty": "", "ask": away}
    monkeypatch.setattr(apps.get_app_config("ingest"), "target_tables", lambda subject, key: [table])
    page = admin_client.get(reverse("admin:tracking_vessel_change", args=[ship.pk])).content.decode()
    assert "Its server does not answer." in page and "secret.example" not in page
