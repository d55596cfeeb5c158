"""Events in the admin and the API: what is shown, what is refused, and that no address of a target is."""

import datetime as dt
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from tests.tracking.events.world import SQUARE
from tracking.events.models.event import Event
from tracking.events.models.notices import Delivery, NotificationTarget
from tracking.events.models.rules import Geofence, WatchedTarget, WatchList

pytestmark = pytest.mark.django_db

SECRET = "hunter2marker"
URL = f"jsons://reader:{SECRET}@8.8.8.8/hook"


def event(minutes: float = 5, **values: Any) -> Event:
    since = timezone.now() - dt.timedelta(minutes=minutes)
    given = {"kind": "entered", "subject": "vessel", "identity": "211000001", "latitude": 52.0, "longitude": 4.0}
    given |= {"values": {"name": "STAR", "geofence": "Maasmond"}, "reference": "1"}
    return Event.objects.create(since=since, held_at=since, **given | values)


# --- admin ------------------------------------------------------------------------------------------------------------
def test_an_address_is_entered_kept_and_never_shown_again(admin_client: Client):
    add, form = (
        reverse("admin:tracking_notificationtarget_add"),
        {"name": "Bridge", "kinds": ["entered"], "enabled": "on"},
    )
    assert "An address is needed" in admin_client.post(add, form).content.decode()
    refused = admin_client.post(add, form | {"address": f"json://10.0.0.1/{SECRET}"}).content.decode()
    assert "no public address" in refused
    assert SECRET not in refused
    assert admin_client.post(add, form | {"address": URL}).status_code == 302
    made = NotificationTarget.objects.get()
    assert made.url == URL
    change = reverse("admin:tracking_notificationtarget_change", args=[made.pk])
    pages = [change, reverse("admin:tracking_notificationtarget_changelist"), add]
    pages.append(reverse("admin:tracking_notificationtarget_history", args=[made.pk]))
    for page in pages:
        assert SECRET not in admin_client.get(page).content.decode(), page
    assert admin_client.post(change, form | {"name": "Bridge 2"}).status_code == 302
    made.refresh_from_db()
    assert (made.name, made.url) == ("Bridge 2", URL)


def test_a_search_finds_no_target_by_its_address(admin_client: Client):
    NotificationTarget.objects.create(name="Bridge", url=URL, kinds=["entered"])
    listed = reverse("admin:tracking_notificationtarget_changelist")
    assert "Bridge" in admin_client.get(listed, {"q": "Brid"}).content.decode()
    page = admin_client.get(listed, {"q": "hunter2"}).content.decode()
    assert "/change/" not in page


def test_a_watch_list_takes_identities_however_they_are_written_and_refuses_others(admin_client: Client):
    def form(*rows: tuple[str, str]) -> dict[str, Any]:
        given: dict[str, Any] = {
            "name": "Wanted",
            "enabled": "on",
            "targets-TOTAL_FORMS": len(rows),
            "targets-INITIAL_FORMS": 0,
        }
        for number, (subject, identity) in enumerate(rows):
            given |= {f"targets-{number}-subject": subject, f"targets-{number}-identity": identity}
        return given

    add = reverse("admin:tracking_watchlist_add")
    assert "not an MMSI" in admin_client.post(add, form(("vessel", "abc"))).content.decode()
    assert admin_client.post(add, form(("vessel", "002442000"), ("aircraft", "3C6444"))).status_code == 302
    found = WatchList.objects.get().targets.values_list("subject", "identity")
    assert set(found) == {("vessel", "2442000"), ("aircraft", "3c6444")}
    assert WatchedTarget.objects.count() == 2


def test_a_geofence_that_is_no_polygon_is_refused_with_a_reason(admin_client: Client):
    add, form = reverse("admin:tracking_geofence_add"), {"name": "Roads", "whose": "vessel", "enabled": "on"}
    assert "Draw the area" in admin_client.post(add, form | {"area": ""}).content.decode()
    bow = '{"type":"Polygon","coordinates":[[[0,0],[1,1],[1,0],[0,1],[0,0]]]}'
    assert "not simple" in admin_client.post(add, form | {"area": bow}).content.decode()
    assert admin_client.post(add, form | {"area": str(SQUARE).replace("'", '"')}).status_code == 302
    assert Geofence.objects.get().area == SQUARE


def test_events_say_what_happened_and_who_was_told(admin_client: Client):
    target = NotificationTarget.objects.create(name="Bridge", url=URL, kinds=["entered"])
    Delivery.objects.create(event=event(), target=target, state="sent")
    page = admin_client.get(reverse("admin:tracking_event_changelist")).content.decode()
    assert "Entered Maasmond" in page
    assert "STAR (211000001)" in page
    assert "1 sent" in page
    assert "/#11/52.0000/4.0000" in page
    assert "Entered Maasmond" not in admin_client.get("/admin/tracking/event/?kind=dark").content.decode()
    assert "Entered Maasmond" in admin_client.get("/admin/tracking/event/?state=open").content.decode()


def test_an_operator_has_a_delivery_sent_again(admin_client: Client):
    target = NotificationTarget.objects.create(name="Bridge", url=URL, kinds=["entered"])
    states = {
        state: Delivery.objects.create(event=event(reference=state), target=target, state=state)
        for state in Delivery.State
    }
    chosen = [delivery.pk for delivery in states.values()]
    listed = reverse("admin:tracking_delivery_changelist")
    page = admin_client.post(listed, {"action": "send_again", "_selected_action": chosen}, follow=True)
    assert "2 of 5 will be sent again" in page.content.decode()
    again = Delivery.objects.filter(state="waiting", next_retry_at__isnull=False)
    assert set(again) == {states[Delivery.State.UNKNOWN], states[Delivery.State.GIVEN_UP]}


# --- API --------------------------------------------------------------------------------------------------------------
@pytest.fixture
def api(client: Client) -> Client:
    client.force_login(User.objects.create_user("ada"))
    return client


def test_the_list_is_narrowed_and_read_page_by_page(api: Client, django_assert_max_num_queries: Any):
    made = [event(minutes, reference=str(minutes)) for minutes in (30, 20, 10)]
    over = event(40, kind="left", identity="211000002", until=timezone.now())
    with django_assert_max_num_queries(6):
        first = api.get("/api/events/?page_size=2").json()
    assert [row["id"] for row in first["results"]] == [str(made[2].id), str(made[1].id)]
    second = api.get(first["next"]).json()
    assert [row["id"] for row in second["results"]] == [str(made[0].id), str(over.id)]
    assert second["next"] is None
    for query, number in (
        ("kind=left", 1), ("open=false", 1), ("open=true", 3), ("identity=211000002", 1), ("kind=dark", 0),
        (f"since_after={(timezone.now() - dt.timedelta(minutes=15)).timestamp():.0f}", 1),
    ):  # fmt: skip
        assert len(api.get(f"/api/events/?{query}").json()["results"]) == number, query
    for wrong in ("kind=nonsense", "colour=red", "geofence=x", "since_after=now"):
        assert api.get(f"/api/events/?{wrong}").status_code == 400, wrong


def test_one_event_says_all_with_counts_of_its_notifications_and_no_address(api: Client):
    made = event()
    target = NotificationTarget.objects.create(name="Bridge", url=URL, kinds=["entered"])
    Delivery.objects.create(event=made, target=target, state="sent")
    answer = api.get(f"/api/events/{made.id}/")
    assert answer.json()["text"] == "STAR (211000001): Entered Maasmond"
    assert answer.json()["deliveries"] == {"sent": 1}
    assert SECRET not in answer.content.decode()
    assert api.get("/api/events/nothing/").status_code == 404


def test_the_map_gets_the_last_hour_of_its_box_over_the_antimeridian_too(api: Client):
    here = event(reference="1")
    far = event(reference="2", longitude=-179.5)
    event(61, reference="3")
    event(reference="4", latitude=None, longitude=None)

    def asked(box: str) -> list[str]:
        return [row["id"] for row in api.get(f"/api/events/recent/?bbox={box}").json()["results"]]

    assert asked("3,51,5,53") == [str(here.id)]
    assert asked("179,51,-179,53") == [str(far.id)]
    assert api.get("/api/events/recent/?bbox=1,2,3").status_code == 400
