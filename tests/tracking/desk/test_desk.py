"""The operator's desk: what its JSON says, to whom, and what it costs."""

import re
from pathlib import Path
from typing import Any

import pytest
import redis
from django.apps import apps
from django.contrib.auth.models import Group, User
from django.db import connections
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from ingest.models import Feed
from tests.support.letters import make_letter
from tests.support.patience import PATIENCE_SECONDS
from tracking import desk
from tracking.desk import badges, colours
from tracking.desk.remembered import RememberedAnswer
from tracking.desk.verdict import verdict

pytestmark = [pytest.mark.django_db(databases=["default", "direct"]), pytest.mark.usefixtures("live_redis")]

STATIC = Path(desk.__file__).parents[1] / "static"
PANELS = {"live", "storage", "feeds", "relays", "accounts", "queue", "breakers", "letters"}


def member(*roles: str) -> Client:
    user = User.objects.create_user("anna", is_staff=True)
    user.groups.set(Group.objects.filter(name__in=roles))
    client = Client()
    client.force_login(user)
    return client


def ask(client: Client, query: str = "") -> Any:
    answer = client.get(f"{reverse('admin:desk')}{query}")
    assert answer.status_code == 200
    return answer.json()


def test_a_viewer_sees_every_panel_and_may_retry_nothing():
    found = ask(member("viewer"))
    assert set(found["panels"]) == PANELS
    assert [name for name, panel in found["panels"].items() if "error" in panel] == []
    assert found["panels"]["letters"]["rights"] == []


def test_an_operator_is_offered_the_retry_of_each_group():
    make_letter(reason="latitude_out_of_range")
    letters = ask(member("operator"))["panels"]["letters"]
    assert letters["rights"] == ["resilience.retry_deadletter"]
    [group] = letters["groups"]
    assert (letters["open"], group["count"], group["reason"]) == (1, 1, "latitude_out_of_range")
    assert group["retry"].startswith(reverse("admin:resilience_deadletter_retry_all"))


def test_who_has_no_right_sees_no_panel_and_no_number():
    make_letter()
    found = ask(member())
    assert (found["panels"], found["badges"]) == ({}, {})


def test_a_span_that_is_not_offered_is_refused(admin_client):
    assert admin_client.get(f"{reverse('admin:desk')}?window=1y").status_code == 400


@pytest.mark.parametrize("window", ["1h", "24h", "7d"])
def test_the_figures_cost_a_dozen_queries_at_most_and_count_no_positions(admin_client, window):
    for number in range(30):
        Feed.objects.create(name=f"Pier {number}", url="push://", source=f"pier-{number}")
        make_letter(fingerprint=f"{number:016x}")
    ask(admin_client)
    badges._found.clear()
    with (
        CaptureQueriesContext(connections["default"]) as pooled,
        CaptureQueriesContext(connections["direct"]) as direct,
    ):
        ask(admin_client, f"?window={window}")
    queries = [query["sql"] for query in (*pooled.captured_queries, *direct.captured_queries)]
    assert len(queries) <= 12
    assert [sql for sql in queries if re.search(r"count\(.*(vesselposition|aircraftposition)", sql, re.I)] == []


def test_a_server_that_is_away_costs_its_panel_only(admin_client, monkeypatch):
    def away(self: Any) -> int:
        raise redis.ConnectionError("refused by redis.secret.example")

    monkeypatch.setattr("tracking.live.state.LiveState.count", away)
    found = ask(admin_client)
    assert found["panels"]["live"] == {"error": "ConnectionError", "rights": []}
    assert [name for name, panel in found["panels"].items() if "error" in panel] == ["live"]
    assert "secret" not in str(found)


# --- the verdict ------------------------------------------------------------------------------------------------------
SILENT = {"state": "degraded", "text": "Pier is silent", "url": "/pier"}
FULL = {"state": "down", "text": "the spool is full", "url": ""}


@pytest.mark.parametrize(
    ("answers", "state", "headline"),
    [
        ({"live": {}}, "ok", "Everything flows."),
        ({"feeds": {"troubles": [SILENT]}}, "degraded", "Flowing, but one thing needs a look."),
        ({"feeds": {"troubles": [SILENT, SILENT]}}, "degraded", "Flowing, but 2 things need a look."),
        ({"feeds": {"troubles": [SILENT]}, "queue": {"troubles": [FULL]}}, "down", "Messages do not get through."),
        ({"live": {"error": "TimeoutError"}}, "unknown", "Not everything can be asked: no answer about live."),
    ],
)
def test_the_verdict_is_one_sentence_with_the_worst_first(answers, state, headline):
    found = verdict(answers)
    assert (found["state"], found["headline"]) == (state, headline)
    assert [each["state"] for each in found["troubles"]] == sorted(
        (each["state"] for each in found["troubles"]), reverse=True
    )


def test_a_feed_that_nobody_collects_turns_the_verdict(admin_client):
    Feed.objects.create(name="Pier", url="tcp://pier:10110", source="pier")
    found = ask(admin_client)["verdict"]
    assert found["state"] == "degraded"
    assert [each["text"] for each in found["troubles"]] == [
        "no collector runs any of the feeds: start `manage.py ingest`"
    ]


# --- the side bar -----------------------------------------------------------------------------------------------------
def test_the_side_bar_shows_how_many_letters_are_open(admin_client):
    for _ in range(3):
        make_letter()
    page = admin_client.get(reverse("admin:tracking_vessel_changelist")).content.decode()
    entry = page[page.index(reverse("admin:resilience_deadletter_changelist")) :].partition("</a>")[0]
    assert re.search(r"text-\[11px\][^>]*>\s*3\s*</span>", entry)
    assert ask(admin_client)["badges"]["resilience_deadletter"] == {"number": 3, "variant": "warning"}


def test_a_number_that_cannot_be_found_is_left_out_and_not_asked_for_again_soon(admin_client, monkeypatch):
    asked = []

    def away() -> int:
        asked.append(1)
        raise redis.TimeoutError

    badge = {"page": "ingest_feed", "permission": "ingest.view_feed", "variant": "danger", "ask": away}
    monkeypatch.setattr(apps.get_app_config("ingest"), "dashboard_badges", lambda: [badge])
    for _ in range(3):
        assert "ingest_feed" not in ask(admin_client)["badges"]
    assert asked == [1]


# --- what takes long --------------------------------------------------------------------------------------------------
def test_an_answer_is_remembered_with_its_age_and_found_anew_when_it_is_old():
    answers = iter((1, 2))
    remembered = RememberedAnswer("test-answers", lambda: next(answers), seconds=0.0)
    first, age = remembered.latest(PATIENCE_SECONDS)
    assert (first, age is not None and age >= 0) == (1, True)
    remembered._took = 1000.0  # what takes so long is not asked for again at once
    assert remembered.latest(PATIENCE_SECONDS)[0] == 1


def test_a_question_that_fails_leaves_what_was_known(caplog):
    def fails() -> int:
        raise OSError("away")

    assert RememberedAnswer("test-failure", fails, seconds=60.0).latest(PATIENCE_SECONDS) == (None, None)
    assert "away" in caplog.text


# --- colours ----------------------------------------------------------------------------------------------------------
def variables(sheet: str, block: str) -> dict[str, str]:
    text = (STATIC / sheet).read_text()
    body = text[text.index(block) :].partition("}")[0]
    return dict(re.findall(r"--([\w-]+): (#\w+)", body))


@pytest.mark.parametrize(
    ("of_map", "of_desk"), [(":root {", ".dark .desk,"), (":root[data-theme=light]", ".desk, .desk-mark")]
)
def test_desk_and_map_have_the_same_colours(of_map, of_desk):
    there, here = variables("map/map.css", of_map), variables("desk/desk.css", of_desk)
    shared = {"panel", "raised", "line", "text", "strong", "soft", "accent", "good", "warn", "bad"}
    assert {name: here[name] for name in shared} == {name: there[name] for name in shared}


def test_the_admin_has_the_accent_and_the_night_of_the_map():
    dark, light = variables("map/map.css", ":root {"), variables("map/map.css", ":root[data-theme=light]")
    assert (colours.PRIMARY["500"], colours.PRIMARY["600"]) == (dark["accent"], light["accent"])
    assert (colours.BASE["900"], colours.BASE["800"]) == (dark["sea"], dark["line"])
