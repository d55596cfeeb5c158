"""Every page of every registered model opens with rows in it, and pages of large tables never count them."""

import datetime as dt
import uuid
from typing import Any

import pytest
from django.contrib import admin
from django.contrib.auth.models import Group, Permission, User
from django.db import connection
from django.db.models import Model
from django.test import Client, RequestFactory
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone
from django_q.models import Failure, OrmQ, Schedule, Success, Task

from ingest.models import Batch, Feed, RefusedMessage, Relay
from tests.support.keys import make_key
from tests.support.rights_world import SQUARE
from tracking import theme
from tracking.access.api_keys import ApiKey
from tracking.events.models.event import Event
from tracking.events.models.notices import Delivery, NotificationTarget
from tracking.events.models.rules import Geofence, WatchList
from tracking.models import (
    Aircraft,
    AircraftChange,
    AircraftPosition,
    ArchivedDay,
    Station,
    Vessel,
    VesselChange,
    VesselPosition,
)
from tracking.truth.models import Dispute, RefusedPosition

pytestmark = pytest.mark.django_db

NOON = dt.datetime(2026, 5, 1, 12, tzinfo=dt.UTC)
OTHERS = "resilience"  # its pages are opened by its own tests


@pytest.fixture
def rows(admin_user: Any) -> dict[type[Model], Any]:
    """One row of every model, by model: what a page is opened with."""
    seen = {"first_seen": NOON, "last_seen": NOON}
    place = {
        "timestamp": NOON,
        "received_at": NOON,
        "source": "pier",
        "score": 80,
        "latitude": 54.5,
        "longitude": 10.25,
    }
    ship = Vessel.objects.create(mmsi=211000001, name="STAR", kind="ship", flag="DE", to_bow=90, to_stern=20, **seen)
    plane = Aircraft.objects.create(icao="3c6444", callsign="DLH4AB", **seen)
    task = {"func": "tasks.work", "started": NOON, "stopped": NOON, "result": "done"}
    Task.objects.create(id="a" * 32, name="good", success=True, **task)
    Task.objects.create(id="b" * 32, name="bad", success=False, **task)
    return {
        Vessel: ship,
        Aircraft: plane,
        Station: Station.objects.create(mmsi=2320001, kind="base", latitude=51.1, longitude=1.3, **seen),
        VesselPosition: VesselPosition.objects.create(vessel=ship, speed=12.5, course=90, status=0, **place),
        AircraftPosition: AircraftPosition.objects.create(aircraft=plane, altitude=33000, **place),
        VesselChange: VesselChange.objects.create(vessel=ship, field="name", value="STAR", since=NOON),
        AircraftChange: AircraftChange.objects.create(aircraft=plane, field="squawk", value="7000", since=NOON),
        RefusedPosition: RefusedPosition.objects.create(
            subject="vessel", identity="211000001", timestamp=NOON, latitude=1, longitude=2, source="pier", reason=-1
        ),
        Dispute: Dispute.objects.create(subject="vessel", identity="211000001", since=NOON, judged_until=NOON),
        **event_rows(),
        ArchivedDay: ArchivedDay.objects.create(
            kind="vessel", day=dt.date(2001, 1, 1), rows=1, bytes=1, hash="0" * 32, at=NOON
        ),
        RefusedMessage: RefusedMessage.objects.create(
            source="pier", format="nmea", reason="checksum", slot=0, received_at=NOON, raw=b"!AIVDM"
        ),
        Relay: Relay.objects.create(name="Harbour", url="udp://127.0.0.1:9"),
        Feed: Feed.objects.create(name="Pier", url="tcp://reader:hunter2@10.0.0.2:10110", source="pier"),
        Batch: Batch.objects.create(
            run=uuid.uuid4(), source="pier", format="nmea", accepted_at=NOON, booked_at=NOON, malformed={"checksum": 3}
        ),
        User: admin_user,
        Group: Group.objects.create(name="operators"),
        ApiKey: make_key(admin_user),
        Schedule: Schedule.objects.create(name="house", func="tracking.tasks.keep_house", schedule_type="I", minutes=5),
        Success: Success.objects.get(),
        Failure: Failure.objects.get(),
    }


def event_rows() -> dict[type[Model], Any]:
    event = Event.objects.create(
        kind="sighted", subject="vessel", identity="211000001", since=NOON, held_at=NOON, latitude=54.5, longitude=10.25
    )
    target = NotificationTarget.objects.create(name="Bridge", url="jsons://u:hunter2@example.org", kinds=["sighted"])
    return {
        Event: event,
        NotificationTarget: target,
        Delivery: Delivery.objects.create(event=event, target=target),
        Geofence: Geofence.objects.create(name="Roads", area=SQUARE),
        WatchList: WatchList.objects.create(name="Wanted"),
    }


def registered() -> list[type[Model]]:
    return [model for model in admin.site._registry if model._meta.app_label != OTHERS]


def address(model: type[Model], page: str, *args: Any) -> str:
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_{page}", args=args)


@pytest.fixture
def superuser(admin_user: Any) -> Any:
    request = RequestFactory().get("/")
    request.user = admin_user
    return request


def test_every_model_has_a_page(rows):
    assert set(registered()) == set(rows)
    assert {Vessel, Aircraft, Station, VesselPosition, AircraftPosition, Feed, Batch} <= set(registered())
    assert not admin.site.is_registered(OrmQ)


def test_every_page_wears_the_theme():
    assert [page for page in admin.site._registry.values() if not isinstance(page, theme.ModelAdmin)] == []


@pytest.mark.parametrize("model", registered(), ids=lambda model: model._meta.model_name)
def test_every_page_of_a_model_opens_or_is_forbidden_where_the_rules_say_so(rows, admin_client, superuser, model):
    page, row = admin.site.get_model_admin(model), rows[model].pk
    listed = admin_client.get(address(model, "changelist"))
    assert listed.status_code == 200
    assert address(model, "change", row) in listed.content.decode()
    assert admin_client.get(address(model, "changelist"), {"q": "nothing"}).status_code == (
        200 if page.search_fields else 302
    )
    assert admin_client.get(address(model, "change", row)).status_code == 200
    assert admin_client.get(address(model, "history", row)).status_code == 200
    for name, allowed, args in (
        ("add", page.has_add_permission(superuser), ()),
        ("delete", page.has_delete_permission(superuser), (row,)),
    ):
        assert admin_client.get(address(model, name, *args)).status_code == (200 if allowed else 403), name


def test_the_overview_lists_the_pages_in_the_side_bar(rows, admin_client):
    page = admin_client.get(reverse("admin:index")).content.decode()
    for model in rows:
        assert address(model, "changelist") in page


@pytest.mark.parametrize("model", [VesselPosition, AircraftPosition, Batch])
def test_what_was_received_and_booked_can_not_be_touched(rows, admin_client, model):
    row = rows[model]
    assert admin_client.get(address(model, "add")).status_code == 403
    assert admin_client.post(address(model, "delete", row.pk), {"post": "yes"}).status_code == 403
    assert admin_client.post(address(model, "change", row.pk), {"source": "forged"}).status_code == 403
    admin_client.post(address(model, "changelist"), {"action": "delete_selected", "_selected_action": [row.pk]})
    assert model.objects.get(pk=row.pk).source == "pier"


@pytest.mark.parametrize("model", [Vessel, Aircraft, Station])
def test_identities_are_made_by_reports_only(rows, admin_client, model):
    assert admin_client.get(address(model, "add")).status_code == 403


def counts(queries: CaptureQueriesContext) -> list[str]:
    tables = ("tracking_vesselposition", "tracking_aircraftposition", "ingest_batch")
    return [q["sql"] for q in queries if "COUNT(" in q["sql"].upper() and any(table in q["sql"] for table in tables)]


LARGE = {VesselPosition: "day=2026-05-01", AircraftPosition: "day=2026-05-01", Batch: "source=pier"}


@pytest.mark.parametrize("model", LARGE)
@pytest.mark.parametrize("query", ["", "q={key}", "q={key}+2026-05-01", "{filter}", "_facets=True", "p=2", "o=1"])
def test_large_tables_are_never_counted(rows, admin_client, model, query):
    whose = {VesselPosition: "211000001", AircraftPosition: "3C6444", Batch: "pier"}[model]
    with CaptureQueriesContext(connection) as queries:
        response = admin_client.get(
            address(model, "changelist") + "?" + query.format(key=whose, filter=LARGE[model]), follow=True
        )
    assert response.status_code == 200
    assert counts(queries) == []
    assert len(queries) <= 6


@pytest.mark.parametrize(
    ("query", "shown"),
    [
        ("q=211000001", True),
        ("q=211000002", False),
        ("q=2026-05-01", True),
        ("q=2026-05-02+211000001", False),
        ("q=2026-13-45", False),
        ("q=star", False),
        ("day=2026-05-01", True),
        ("day=2026-05-02", False),
        ("day=never", False),
    ],
)
def test_positions_are_found_by_vessel_and_by_day(rows, admin_client, query, shown):
    page = admin_client.get(address(VesselPosition, "changelist") + "?" + query).content.decode()
    assert (address(VesselPosition, "change", rows[VesselPosition].pk) in page) is shown


def test_positions_of_a_vessel_come_by_its_primary_key_and_others_by_their_id(rows, admin_client):
    with CaptureQueriesContext(connection) as queries:
        admin_client.get(address(VesselPosition, "changelist"), {"q": "211000001"})
        admin_client.get(address(VesselPosition, "changelist"))
    orders = [q["sql"].split("ORDER BY")[1] for q in queries if 'FROM "tracking_vesselposition"' in q["sql"]]
    assert '"vessel_id" DESC' in orders[0] and '"timestamp" DESC' in orders[0] and '"id"' not in orders[0]
    assert '"id" DESC' in orders[1] and "timestamp" not in orders[1]


@pytest.mark.parametrize("model", [Vessel, Aircraft])
def test_the_page_of_a_target_links_to_its_positions(rows, admin_client, model):
    positions = {Vessel: VesselPosition, Aircraft: AircraftPosition}[model]
    page = admin_client.get(address(model, "change", rows[model].pk)).content.decode()
    link = f"{address(positions, 'changelist')}?q={rows[model].pk}"
    assert link in page
    assert address(positions, "change", rows[positions].pk) in admin_client.get(link).content.decode()


@pytest.mark.parametrize("model", [Vessel, Aircraft])
def test_the_page_of_a_target_links_to_what_it_said_of_itself_before(rows, admin_client, model):
    changes = {Vessel: VesselChange, Aircraft: AircraftChange}[model]
    page = admin_client.get(address(model, "change", rows[model].pk)).content.decode()
    link = f"{address(changes, 'changelist')}?q={rows[model].pk}"
    assert link in page
    assert address(changes, "change", rows[changes].pk) in admin_client.get(link).content.decode()
    assert (
        address(changes, "change", rows[changes].pk)
        not in admin_client.get(address(changes, "changelist"), {"q": "999999"}).content.decode()
    )


@pytest.mark.parametrize("selected", [False, True])
def test_deleting_a_vessel_takes_its_positions_without_reading_or_listing_them(rows, admin_client, selected):
    ship = rows[Vessel]
    times = [NOON + dt.timedelta(seconds=second) for second in range(1, 500)]
    VesselPosition.objects.bulk_create(
        VesselPosition(vessel=ship, timestamp=at, received_at=at, source="pier", score=80, latitude=1, longitude=2)
        for at in times
    )
    url = address(Vessel, "changelist") if selected else address(Vessel, "delete", ship.pk)
    data = {"action": "delete_selected", "_selected_action": [ship.pk]} if selected else {}
    with CaptureQueriesContext(connection) as queries:
        asked = (admin_client.post(url, data) if selected else admin_client.get(url)).content.decode()
        assert "with all positions" in asked and "2026-05-01 12:00" not in asked
        assert admin_client.post(url, data | {"post": "yes"}).status_code == 302
    touched = [q["sql"].split()[0] for q in queries if '"tracking_vesselposition"' in q["sql"]]
    assert touched == ["DELETE"]
    assert not Vessel.objects.exists() and not VesselPosition.objects.exists()


@pytest.mark.parametrize(("span", "shown"), [("", True), ("hour", False), ("day", True), ("week", True), ("age", True)])
def test_identities_are_filtered_by_when_they_were_seen(rows, admin_client, span, shown):
    Vessel.objects.update(last_seen=timezone.now() - dt.timedelta(hours=2))
    page = admin_client.get(address(Vessel, "changelist"), {"seen": span} if span else {}).content.decode()
    assert ("211000001" in page) is shown


@pytest.mark.parametrize(
    ("model", "text", "shown"),
    [
        (Vessel, "tar", True),
        (Vessel, "211000001", True),
        (Vessel, "x", False),
        (Station, "002320001", True),
        (Aircraft, "dlh", True),
        (Aircraft, "3C6444", True),
        (Aircraft, "4AB", False),
    ],
)
def test_identities_are_searched_as_in_the_api(rows, admin_client, model, text, shown):
    page = admin_client.get(address(model, "changelist"), {"q": text}).content.decode()
    assert (address(model, "change", rows[model].pk) in page) is shown


@pytest.mark.parametrize("model", registered(), ids=lambda model: model._meta.model_name)
def test_a_list_costs_the_same_however_many_rows_it_has(rows, admin_client, model):
    admin_client.get(reverse("admin:index"))  # the numbers in the side bar are found once in a while
    with CaptureQueriesContext(connection) as queries:
        admin_client.get(address(model, "changelist"))
    assert len(queries) <= 6, [query["sql"] for query in queries]


def test_schedules_are_for_superusers_because_they_name_the_function_that_runs(rows):
    staff = User.objects.create_user("operator", is_staff=True)
    staff.user_permissions.set(Permission.objects.filter(content_type__app_label__in=["django_q", "tracking"]))
    client = Client()
    client.force_login(staff)
    assert client.get(address(Vessel, "changelist")).status_code == 200
    for page in (
        address(Schedule, "changelist"),
        address(Schedule, "add"),
        address(Schedule, "change", rows[Schedule].pk),
    ):
        assert client.get(page).status_code == 403
    assert address(Schedule, "changelist") not in client.get(reverse("admin:index")).content.decode()


@pytest.mark.parametrize("page", ["changelist", "change", "history", "delete"])
def test_no_page_shows_a_key_or_its_hash(rows, admin_client, page):
    row = rows[ApiKey]
    shown = admin_client.get(address(ApiKey, page, *([] if page == "changelist" else [row.pk]))).content.decode()
    assert row.prefix in shown and row.key not in shown and row.key_hash not in shown


def test_pages_fetch_nothing_from_elsewhere(rows, admin_client):
    for model, row in rows.items():
        page = admin_client.get(address(model, "change", row.pk)).content.decode()
        sources = [part.split('"')[0] for attribute in ('src="', '<link href="') for part in page.split(attribute)[1:]]
        assert sources and not [source for source in sources if source.startswith(("http:", "https:", "//"))]
