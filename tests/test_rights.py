"""Who may do what: one table of all addresses, for everybody who might ask. An address that is not in it fails.

Each letter is the answer to one of `PEOPLE`, in their order:

    .  done or shown, or the form again        L  sent to the log-in          U  401, who are you?
    F  403, not you                            N  there is no such thing      M  405, not by this method
    B  400, what was sent makes no sense (after the right was checked)
"""

from typing import Any

import pytest
from django.contrib import admin
from django.contrib.auth.models import Permission, User
from django.core.cache import caches
from django.db import transaction
from django.template.response import SimpleTemplateResponse
from django.test import Client
from django.urls import reverse
from rest_framework.throttling import SimpleRateThrottle

from tests.resilience.conftest import closed_breakers, handler
from tests.support.rights_world import SECRET, address, make_people, make_rows, routes
from tests.tracking.conftest import live_redis

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("live_redis", "handler")]
__all__ = ["closed_breakers", "handler", "live_redis"]  # fixtures of two rooms

PEOPLE = ("nobody", "plain", "staff", "viewer", "operator", "boss")
KEYS = ("key_live", "key_history", "key_operate", "key_of_plain", "key_over")

# Pages of a model in the admin: list, history, add, change (to look at, to save), delete.
PAGES = {
    "tracking_vessel": ("LLF...", "LLF...", "LLFFFF", "LLF...", "LLFFF.", "LLFFF."),
    "tracking_aircraft": ("LLF...", "LLF...", "LLFFFF", "LLF...", "LLFFF.", "LLFFF."),
    "tracking_station": ("LLF...", "LLF...", "LLFFFF", "LLF...", "LLFFF.", "LLFFF."),
    "tracking_vesselposition": ("LLF...", "LLF...", "LLFFFF", "LLF...", "LLFFFF", "LLFFFF"),
    "tracking_aircraftposition": ("LLF...", "LLF...", "LLFFFF", "LLF...", "LLFFFF", "LLFFFF"),
    "tracking_vesselchange": ("LLF...", "LLF...", "LLFFFF", "LLF...", "LLFFFF", "LLFFFF"),
    "tracking_aircraftchange": ("LLF...", "LLF...", "LLFFFF", "LLF...", "LLFFFF", "LLFFFF"),
    "tracking_refusedposition": ("LLF...", "LLF...", "LLFFFF", "LLF...", "LLFF..", "LLFFFF"),
    "tracking_dispute": ("LLF...", "LLF...", "LLFFFF", "LLF...", "LLFFFF", "LLFFFF"),
    "tracking_event": ("LLF...", "LLF...", "LLFFFF", "LLF...", "LLFFFF", "LLFFFF"),
    "tracking_delivery": ("LLF...", "LLF...", "LLFFFF", "LLF...", "LLFF..", "LLFFFF"),
    "tracking_geofence": ("LLF...", "LLF...", "LLFF..", "LLF...", "LLFF..", "LLFFF."),
    "tracking_watchlist": ("LLF...", "LLF...", "LLFFF.", "LLF...", "LLFFF.", "LLFFF."),
    "tracking_notificationtarget": ("LLF...", "LLF...", "LLFFF.", "LLF...", "LLFFF.", "LLFFF."),
    "tracking_archivedday": ("LLF...", "LLF...", "LLFFFF", "LLF...", "LLFFFF", "LLFFFF"),
    "tracking_apikey": ("LLF...", "LLNNN.", "LLFF..", "LLFNN.", "LLFFFF", "LLFFF."),  # of somebody else
    "ingest_feed": ("LLF...", "LLF...", "LLFF..", "LLF...", "LLFF..", "LLFFF."),
    "ingest_refusedmessage": ("LLF...", "LLF...", "LLFFFF", "LLF...", "LLFFFF", "LLFFFF"),
    "ingest_relay": ("LLF...", "LLF...", "LLFF..", "LLF...", "LLFF..", "LLFFF."),
    "ingest_batch": ("LLF...", "LLF...", "LLFFFF", "LLF...", "LLFFFF", "LLFFFF"),
    "resilience_deadletter": ("LLF...", "LLF...", "LLFFFF", "LLF...", "LLFFFF", "LLFFFF"),
    "resilience_letterjob": ("LLF...", "LLF...", "LLFFFF", "LLF...", "LLFFFF", "LLFFFF"),
    "auth_user": ("LLF...", "LLF...", "LLFFF.", "LLF...", "LLFFF.", "LLFFF."),
    "auth_group": ("LLF...", "LLF...", "LLFFF.", "LLF...", "LLFFF.", "LLFFF."),
    "django_q_schedule": ("LLFFF.", "LLFFF.", "LLFFF.", "LLFFF.", "LLFFF.", "LLFFF."),
    "django_q_success": ("LLF...", "LLF...", "LLFFFF", "LLF...", "LLFFF.", "LLFFF."),
    "django_q_failure": ("LLF...", "LLF...", "LLFFFF", "LLF...", "LLFFF.", "LLFFF."),
}
# The other pages of the admin: GET, POST.
BESIDES = {
    "index": ("LL....", "LL...."),
    "app_list": ("LLN...", "LLN..."),
    "desk": ("LL....", "LLMMMM"),
    "search": ("LL....", "LL...."),
    "login": ("..NNNN", "......"),  # to the overview, who has logged in
    "password_change": ("LL....", "LL...."),
    "password_change_done": ("LL....", "LLMMMM"),
    "autocomplete": ("LLFFFF", "LLMMMM"),
    "jsi18n": ("LL....", "LLMMMM"),
    "view_on_site": ("LLNNNN", "LLNNNN"),
    "auth_user_password_change": ("LLFFF.", "LLFFF."),
    "tracking_vesselposition_refuse": ("LLFF..", "LLFF.."),
    "tracking_aircraftposition_refuse": ("LLFF..", "LLFF.."),
    "ingest_feed_new_key": ("LLFF..", "LLFF.."),
    "ingest_feed_try_it": ("LLFFNN", "LLFFNN"),  # of a feed that receivers push to
    "resilience_deadletter_groups": ("LLF...", "LLF..."),
    "resilience_deadletter_retry_all": ("LLFF..", "LLFF.."),
    "resilience_deadletter_discard_all": ("LLFF..", "LLFF.."),
    "resilience_deadletter_export": ("LLFF..", "LLFF.."),
    "resilience_deadletter_retry_letter": ("LLFF..", "LLFF.."),
    "resilience_deadletter_edit_letter": ("LLFF..", "LLFF.."),
    "resilience_deadletter_discard_letter": ("LLFF..", "LLFF.."),
    "resilience_letterjob_cancel_job": ("LLFF..", "LLFF.."),
    "resilience_parkedentry_changelist": ("LLF...", "LLF..."),
    "resilience_parkedentry_return": ("LLFFNN", "LLFFNN"),  # of an entry that there is not
    "resilience_parkedentry_discard": ("LLFFNN", "LLFFNN"),
    "resilience_switchboard_changelist": ("LLF...", "LLF..."),
    "resilience_switchboard_change": ("LLF...", "LLF..."),
    "resilience_switchboard_trip": ("LLFF..", "LLFF.."),
    "resilience_switchboard_reset": ("LLFF..", "LLFF.."),
}
# Everything else: sessions and keys that GET, sessions and keys that POST.
OPEN = ("......", ".....", "MMMMMM", "MMMMM")
LIVE = ("U.....", ".FF.U", "UMMMMM", "MFFMU")
LIVE_ONE = ("UNNNNN", "NFFNU", "UMMMMM", "MFFMU")  # of one that is not live
HISTORY = ("U.....", "F.F.U", "UMMMMM", "FFMMU")
LETTERS = ("UFF...", "F.FFU", "UFFMMM", "FFMFU")
API = {
    "health-live": OPEN,
    "health-ready": OPEN,
    "status": OPEN,
    "metrics": OPEN,
    "map": ("L.....", "LLLLL", "MMMMMM", "MMMMM"),
    "map-tile": OPEN,
    "map-tiles": OPEN,
    "handbook": ("LL....", "LLLLL", "MMMMMM", "MMMMM"),
    "handbook-page": ("LL....", "LLLLL", "MMMMMM", "MMMMM"),
    "api": ("......", ".....", "......", "....."),
    "api-schema": OPEN,
    "api-docs": OPEN,
    "push": ("MMMMMM", "MMMMM", "UUUUUU", "UUUUU"),  # with a feed's own key only
    "live-vessels": LIVE,
    "live-aircraft": LIVE,
    "live-stations": LIVE,
    "live-changes": LIVE,
    "live-stream": LIVE_ONE,  # served elsewhere
    "live-feeds": LIVE,
    "live-feed-reach": LIVE_ONE,  # of a feed without an outline
    "live-receivers": ("UBBBBB", "BFFBU", "UMMMMM", "MFFMU"),  # without two feeds
    "vessel-why": HISTORY,
    "aircraft-why": HISTORY,
    "live-vessel": LIVE_ONE,
    "live-vessel-track": LIVE_ONE,
    "live-vessel-beside": LIVE_ONE,
    "live-vessel-beside-track": LIVE_ONE,
    "live-aircraft-beside": LIVE_ONE,
    "live-aircraft-beside-track": LIVE_ONE,
    "live-aircraft-one": LIVE_ONE,
    "live-aircraft-track": LIVE_ONE,
    "live-station": LIVE_ONE,
    "readsb-aircraft": LIVE,
    "readsb-receiver": LIVE,
    "readsb-trace": LIVE_ONE,
    "adsbx-address": LIVE,
    "adsbx-name": LIVE,
    "adsbx-point": LIVE,
    "adsbx-closest": LIVE,
    "adsbx-lat-lon-dist": LIVE,
    "aiscatcher-ships": LIVE,
    "signalk": LIVE,
    "signalk-vessels": LIVE,
    "vessel-list": HISTORY,
    "vessel-detail": HISTORY,
    "vessel-track": HISTORY,
    "vessel-history": HISTORY,
    "aircraft-list": HISTORY,
    "aircraft-detail": HISTORY,
    "aircraft-track": HISTORY,
    "aircraft-history": HISTORY,
    "at": ("UBBBBB", "FBFBU", "UMMMMM", "FFMMU"),  # without a moment
    "positions-vessels": ("UBBBBB", "FBFBU", "UMMMMM", "FFMMU"),
    "positions-aircraft": ("UBBBBB", "FBFBU", "UMMMMM", "FFMMU"),
    "replay": ("UBBBBB", "FBFBU", "UMMMMM", "FFMMU"),
    "event-list": HISTORY,
    "event-detail": HISTORY,
    "event-recent": HISTORY,
    "event-stream": ("UNNNNN", "FNFNU", "UMMMMM", "FFMMU"),  # served elsewhere
    "station-list": HISTORY,
    "station-detail": HISTORY,
    "dispute-list": HISTORY,
    "dispute-detail": HISTORY,
    "feed-list": HISTORY,
    "feed-detail": HISTORY,
    "feed-minutes": HISTORY,
    "feed-statistics": HISTORY,
    "deadletter-list": LETTERS,
    "deadletter-detail": LETTERS,
    "deadletter-groups": LETTERS,
    "deadletter-export": ("UFFF..", "F.FFU", "UFFMMM", "FFMFU"),
    "deadletter-retry": ("UFFMMM", "FMFFU", "UFFF..", "FF.FU"),
    "deadletter-edit": ("UFFMMM", "FMFFU", "UFFFBB", "FFBFU"),
    "deadletter-discard": ("UFFMMM", "FMFFU", "UFFFBB", "FFBFU"),
    "deadletter-retry-all": ("UFFMMM", "FMFFU", "UFFFBB", "FFBFU"),
    "deadletter-discard-all": ("UFFMMM", "FMFFU", "UFFFBB", "FFBFU"),
    "letterjob-list": LETTERS,
    "letterjob-detail": LETTERS,
    "letterjob-cancel": ("UFFMMM", "FMFFU", "UFFF..", "FF.FU"),
}
ELSEWHERE = {"logout"}  # ends the session that asks
# Addresses without a name: the admin's redirect to a row's page, its 404, and that of the API.
NAMELESS = ("<path:object_id>/", "(?P<url>.*)$", "api/^.*/$")


def expected(name: str) -> tuple[str, str, str, str]:
    """(sessions that GET, keys that GET, sessions that POST, keys that POST). Keys do not open the admin."""
    if name in API:
        return API[name]
    if name in BESIDES:
        get, post = BESIDES[name]
    else:
        model, _, page = name.rpartition("_")
        lists, history, add, look, save, delete = PAGES[model]
        pages = {"changelist": lists, "history": history, "add": add, "delete": delete}
        get, post = (look, save) if page == "change" else (pages[page], pages[page])
    stranger = get[0] * len(KEYS), post[0] * len(KEYS)
    return get, stranger[0], post, stranger[1]


def letter(response: Any) -> str:
    """What an answer is called in the table."""
    if response.status_code == 302 and response["Location"].startswith(reverse("admin:login")):
        return "L"
    if response.status_code == 302 and response["Location"] == reverse("admin:index"):
        return "N"
    known = {200: ".", 202: ".", 302: ".", 400: "B", 401: "U", 403: "F", 404: "N", 405: "M"}
    return known.get(response.status_code, f"[{response.status_code}]")


def asked(who: str, ask: Any, method: str, url: str) -> str:
    """The answer; what was changed is undone. Pages are written out for the boss, whose have most in them."""
    point = transaction.savepoint()
    try:
        with pytest.MonkeyPatch.context() as patch:
            if who != "boss":
                patch.setattr(SimpleTemplateResponse, "rendered_content", "")
            return letter(ask(method, url))
    finally:
        transaction.savepoint_rollback(point)


def test_every_address_is_in_the_table_and_no_other():
    rows = {f"{model}_{page}" for model in PAGES for page in ("changelist", "history", "add", "change", "delete")}
    assert {name for _, name in routes() if name} == rows | set(BESIDES) | set(API) | ELSEWHERE
    assert [path for path, name in routes() if not name and not path.endswith(NAMELESS)] == []


def test_everybody_gets_what_the_table_says(monkeypatch):
    monkeypatch.setattr(SimpleRateThrottle, "THROTTLE_RATES", dict.fromkeys(SimpleRateThrottle.THROTTLE_RATES))
    rows, people = make_rows(), make_people()
    assert tuple(people) == PEOPLE + KEYS
    found, table = {}, {}
    for path, name in routes():
        if not name or name in ELSEWHERE:
            continue
        url, answers = address(path, rows), []
        caches["attempts"].clear()  # or so many wrong keys would be answered with 429
        for method in ("GET", "POST"):
            answers += ["".join(asked(who, people[who], method, url) for who in group) for group in (PEOPLE, KEYS)]
        found[name], table[name] = tuple(answers), expected(name)
    assert {name: answers for name, answers in found.items() if answers != table[name]} == {}


# --- one permission ---------------------------------------------------------------------------------------------------
SHOWN_BY = {
    "tracking.view_vessel": "tracking_vessel",
    "tracking.view_aircraft": "tracking_aircraft",
    "tracking.view_station": "tracking_station",
    "tracking.view_vesselposition": "tracking_vesselposition",
    "tracking.view_aircraftposition": "tracking_aircraftposition",
    "tracking.view_vesselchange": "tracking_vesselchange",
    "tracking.view_aircraftchange": "tracking_aircraftchange",
    "tracking.view_refusedposition": "tracking_refusedposition",
    "tracking.view_dispute": "tracking_dispute",
    "tracking.view_event": "tracking_event",
    "tracking.view_delivery": "tracking_delivery",
    "tracking.view_geofence": "tracking_geofence",
    "tracking.view_watchlist": "tracking_watchlist",
    "tracking.view_notificationtarget": "tracking_notificationtarget",
    "tracking.view_archivedday": "tracking_archivedday",
    "tracking.view_apikey": "tracking_apikey",
    "ingest.view_feed": "ingest_feed",
    "ingest.view_batch": "ingest_batch",
    "ingest.view_refusedmessage": "ingest_refusedmessage",
    "resilience.view_deadletter": "resilience_deadletter resilience_letterjob",
    "resilience.view_breaker": "resilience_switchboard",
    "resilience.view_parked": "resilience_parkedentry",
    "auth.view_user": "auth_user",
    "auth.view_group": "auth_group",
    "django_q.view_success": "django_q_success",
    "django_q.view_failure": "django_q_failure",
    "django_q.view_schedule": "",  # superusers only
    "resilience.view_traceback": "",
}


@pytest.mark.parametrize("permission", SHOWN_BY)
def test_a_permission_to_look_shows_its_own_pages_only(permission):
    app, codename = permission.split(".")
    user = User.objects.create_user("clerk", is_staff=True)
    user.user_permissions.set([Permission.objects.get(content_type__app_label=app, codename=codename)])
    client = Client()
    client.force_login(user)
    lists = {f"{model._meta.app_label}_{model._meta.model_name}" for model in admin.site._registry}
    answers = {name: client.get(reverse(f"admin:{name}_changelist")).status_code for name in lists}
    shown = set(SHOWN_BY[permission].split())
    assert answers == {name: 200 if name in shown else 403 for name in lists}


# --- parameters -------------------------------------------------------------------------------------------------------
# What is asked beside the address, by somebody who may see the page.
REFUSED = [
    ("admin:ingest_feed_changelist", "url__startswith=push"),
    ("admin:ingest_feed_changelist", "url=x"),
    ("admin:ingest_feed_changelist", "options__oauth__client_secret__startswith=a"),
    ("admin:ingest_feed_changelist", "key_hash__regex=."),
    ("admin:ingest_batch_changelist", "origin__contains=a"),
    ("admin:resilience_deadletter_changelist", "traceback__contains=a"),
    ("admin:resilience_deadletter_changelist", "context__contains=a"),
    ("admin:resilience_letterjob_changelist", "selection__contains=a"),
    ("admin:tracking_apikey_changelist", "key_hash__startswith=a"),
    ("admin:tracking_apikey_changelist", "user__password__startswith=a"),
    ("admin:tracking_notificationtarget_changelist", "url__startswith=a"),
    ("admin:tracking_notificationtarget_changelist", "_to_field=url"),
    ("admin:tracking_delivery_changelist", "target__url__startswith=a"),
    ("admin:tracking_event_changelist", "deliveries__target__url__startswith=a"),
    ("admin:auth_user_changelist", "password__startswith=a"),
    ("admin:auth_user_changelist", "api_keys__key_hash__startswith=a"),
    ("admin:auth_user_changelist", "groups__user__password__startswith=a"),
    ("admin:auth_group_changelist", "user__password__startswith=a"),
    ("admin:django_q_failure_changelist", "result__contains=a"),
    ("admin:ingest_feed_changelist", "_to_field=url"),
    ("admin:auth_user_changelist", "_to_field=password"),
]


@pytest.mark.parametrize(("page", "query"), REFUSED)
@pytest.mark.parametrize("who", ["viewer", "operator", "boss"])
def test_a_question_that_the_page_does_not_offer_is_refused(who, page, query):
    assert make_people()[who]("GET", f"{reverse(page)}?{query}").status_code == 400


@pytest.mark.parametrize("path", ["feeds", "vessels", "stations", "aircraft", "dead-letters", "dead-letter-jobs"])
@pytest.mark.parametrize("field", ["url", "options", "key_hash", "traceback", "context", "user__password"])
def test_the_api_answers_no_question_about_a_column_by_an_unknown_parameter(path, field):
    make_rows()
    ask = make_people()["boss"]
    for comparison in (field, f"{field}__startswith", f"{field}__contains"):
        right, wrong = (ask("GET", f"/api/{path}/?{comparison}={text}") for text in ("push", "nothing"))
        assert right.status_code == wrong.status_code in (200, 400)
        assert right.status_code == 400 or right.json()["results"] == wrong.json()["results"] != []


@pytest.mark.parametrize("order", ["url", "-url", "options", "key_hash", "traceback"])
@pytest.mark.parametrize("path", ["feeds", "dead-letters"])
def test_the_api_orders_by_no_column_that_is_asked_for(path, order):
    make_rows()
    ask = make_people()["boss"]
    for parameter in ("ordering", "order_by", "o"):
        answer = ask("GET", f"/api/{path}/?{parameter}={order}")
        assert answer.status_code in (200, 400) and SECRET.encode() not in answer.content


@pytest.mark.parametrize("who", ["viewer", "operator", "boss"])
def test_the_traceback_of_a_letter_is_for_those_who_may_see_it(who):
    rows, people = make_rows(), make_people()
    row = rows["deadletter"]
    page = people[who]("GET", reverse("admin:resilience_deadletter_change", args=[row.pk]))
    assert page.status_code == 200
    assert (SECRET in page.content.decode()) is (who != "viewer")
    assert SECRET not in people[who]("GET", reverse("admin:resilience_deadletter_changelist")).content.decode()
