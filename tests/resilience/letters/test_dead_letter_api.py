"""The API of dead letters."""

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import User
from django.db import OperationalError
from django.utils import timezone
from rest_framework.test import APIClient

from resilience.letters import dead_letters, redrive
from resilience.letters.selection import Selection
from resilience.models import DeadLetter, LetterJob
from tests.resilience.conftest import UserWith
from tests.support.letters import HEARD_AT, SENTENCE, RecordingHandler, Refusal, fail_with, make_letter

pytestmark = [pytest.mark.django_db, pytest.mark.urls("resilience.urls"), pytest.mark.usefixtures("handler")]
LIST = "/dead-letters/"


@pytest.fixture
def client(user_with: UserWith) -> APIClient:
    """A program that may look, retry and discard."""
    return client_of(user_with("view_deadletter", "retry_deadletter", "discard_deadletter"))


def client_of(user: User) -> APIClient:
    client = APIClient()
    client.force_authenticate(user)
    return client


def test_the_list_is_paged_and_never_longer_than_a_thousand(client: APIClient) -> None:
    for ordinal in range(5):
        make_letter(ordinal=ordinal)
    first = client.get(LIST, {"limit": 3}).json()
    assert len(first["results"]) == 3
    assert len(client.get(first["next"]).json()["results"]) == 2
    assert client.get(LIST, {"limit": 100_000}).status_code == 200


def test_the_list_costs_one_query(client: APIClient, django_assert_num_queries) -> None:
    for ordinal in range(20):
        make_letter(ordinal=ordinal)
    client.get(LIST)  # the user's permissions are fetched once
    with django_assert_num_queries(1):
        client.get(LIST)


@pytest.mark.parametrize("field", ["status", "reason", "source", "stage", "batch_id"])
def test_the_list_filters_by_what_is_indexed(client: APIClient, field: str) -> None:
    wanted = make_letter()
    make_letter(status="resolved", reason="other", source="roof", stage="worker")
    found = client.get(LIST, {field: getattr(wanted, field)}).json()["results"]
    assert [letter["id"] for letter in found] == [str(wanted.pk)]


def test_a_letter_carries_its_message_as_text_or_else_in_hexadecimal(client: APIClient) -> None:
    text = client.get(f"{LIST}{make_letter().pk}/").json()
    assert (text["raw"], text["raw_encoding"], text["received_at"]) == (
        SENTENCE.decode(),
        "utf-8",
        f"{HEARD_AT:%FT%TZ}",
    )
    binary = client.get(f"{LIST}{make_letter(raw=bytes([26, 51, 0, 255])).pk}/").json()
    assert (binary["raw"], binary["raw_encoding"]) == ("1a3300ff", "hex")


@pytest.mark.parametrize("method", ["post", "put", "patch", "delete"])
def test_a_letter_can_be_neither_written_nor_deleted(client: APIClient, method: str) -> None:
    letter = make_letter()
    assert getattr(client, method)(f"{LIST}{letter.pk}/", {"reason": "x"}).status_code == 405
    assert client.post(LIST, {}).status_code == 405


def test_a_retry_says_what_became_of_the_letter(client: APIClient) -> None:
    letter = make_letter()
    response = client.post(f"{LIST}{letter.pk}/retry/")
    assert (response.status_code, response.json()) == (200, {"result": "resolved", "detail": "stored"})
    assert DeadLetter.objects.get().closed_by == "clerk"
    assert client.post(f"{LIST}{letter.pk}/retry/").status_code == 409


def test_a_retry_that_fails_again_says_why(client: APIClient) -> None:
    response = client.post(f"{LIST}{make_letter(kind='unheard_of').pk}/retry/")
    assert (response.status_code, response.json()) == (200, {"result": "failed", "detail": "no_handler"})


def test_a_retry_in_an_outage_says_when_to_come_back(client: APIClient, handler: RecordingHandler) -> None:
    handler.act = fail_with(OperationalError("no route to host"))
    response = client.post(f"{LIST}{make_letter().pk}/retry/")
    assert (response.status_code, response["Retry-After"]) == (503, "30")


def test_discarding_needs_a_reason(client: APIClient) -> None:
    letter = make_letter()
    assert client.post(f"{LIST}{letter.pk}/discard/", {"reason": " "}).status_code == 400
    response = client.post(f"{LIST}{letter.pk}/discard/", {"reason": "a broken station"})
    assert (response.status_code, response.json()["result"]) == (200, "discarded")
    letter.refresh_from_db()
    assert (letter.status, letter.note, letter.closed_by) == ("discarded", "a broken station", "clerk")
    assert client.post(f"{LIST}{letter.pk}/discard/", {"reason": "again"}).status_code == 409


def test_a_letter_without_a_handler_is_not_discarded(client: APIClient) -> None:
    response = client.post(f"{LIST}{make_letter(kind='unheard_of').pk}/discard/", {"reason": "x"})
    assert (response.status_code, response.json()["detail"]) == (409, "no_handler")


def test_nobody_gets_in_without_a_key() -> None:
    assert APIClient().get(LIST).status_code in (401, 403)


POSTS = {
    "retry": ["{id}/retry/", "retry/"],
    "discard": ["{id}/discard/", "discard/"],
    "edit": ["{id}/edit/"],
}
BODY = {"reason": "x", "message": "x", "filter": {}}


@pytest.mark.parametrize("action", POSTS)
def test_each_action_needs_its_own_permission(action: str, handler: RecordingHandler, user_with: UserWith) -> None:
    others = [f"{name}_deadletter" for name in (*POSTS, "export") if name != action]
    client, letter = client_of(user_with("view_deadletter", *others)), make_letter()
    for path in POSTS[action]:
        assert client.post(LIST + path.format(id=letter.pk), BODY, format="json").status_code == 403
    assert (handler.replayed, dead_letters.open_count(), LetterJob.objects.count()) == ([], 1, 0)


def test_an_export_needs_its_own_permission(client: APIClient) -> None:
    assert client.get(f"{LIST}export/").status_code == 403


def test_an_action_alone_does_not_let_anybody_look(user_with: UserWith) -> None:
    client = client_of(user_with("retry_deadletter", "export_deadletter"))
    for path in ("", "groups/", f"{make_letter().pk}/"):
        assert client.get(LIST + path).status_code == 403
    assert client.get("/dead-letter-jobs/").status_code == 403


@pytest.mark.parametrize("codenames", [["view_deadletter"], ["view_deadletter", "view_traceback"]])
def test_a_traceback_needs_its_own_permission(codenames: list[str], user_with: UserWith) -> None:
    letter = make_letter(traceback="secret.py")
    client = client_of(user_with(*codenames))
    assert client.get(f"{LIST}{letter.pk}/").json().get("traceback") == ("secret.py" if len(codenames) == 2 else None)
    assert "traceback" not in client.get(LIST).json()["results"][0]


def test_the_detail_says_what_the_message_says_and_what_was_tried(client: APIClient, handler: RecordingHandler) -> None:
    handler.act = fail_with(Refusal("still_bad"))
    letter = make_letter(raw=b"hello")
    client.post(f"{LIST}{letter.pk}/retry/")
    shown = client.get(f"{LIST}{letter.pk}/").json()
    assert (shown["decoded"], shown["undecodable"], shown["edited"]) == ({"says": "hello"}, "", None)
    assert [(entry["by"], entry["result"], entry["detail"]) for entry in shown["history"]] == [
        ("clerk", "failed", "still_bad")
    ]
    shown = client.get(f"{LIST}{make_letter(raw=b'rubbish').pk}/").json()
    assert (shown["decoded"], shown["undecodable"]) == (None, "no_sentence")


def test_an_edit_keeps_the_received_message(user_with: UserWith, handler: RecordingHandler) -> None:
    client, letter = client_of(user_with("view_deadletter", "edit_deadletter")), make_letter()
    url = f"{LIST}{letter.pk}/edit/"
    assert client.post(url, {"message": "rubbish"}).json() == {"message": ["no_sentence"]}
    assert client.post(url, {"message": "zz", "encoding": "hex"}).json() == {"message": ["not_hexadecimal"]}
    assert client.post(url, {"message": "61 62", "encoding": "hex"}).json()["result"] == "resolved"
    assert handler.payloads == [b"ab"]
    shown = client.get(f"{LIST}{letter.pk}/").json()
    assert (shown["raw"], shown["edited"], shown["edited_by"]) == (SENTENCE.decode(), "ab", "clerk")
    assert client.post(url, {"message": "x"}).status_code == 409


@pytest.mark.parametrize("what", ["retry", "discard"])
def test_all_of_a_filter_becomes_a_job_that_can_be_followed_and_cancelled(client: APIClient, what: str) -> None:
    response = client.post(f"{LIST}{what}/", {"filter": {"reason": "x"}, "reason": "rubbish"}, format="json")
    assert response.status_code == 202
    url = f"/dead-letter-jobs/{response.json()['id']}/"
    shown = client.get(url).json()
    assert (shown["action"], shown["status"], shown["selection"]) == (what, "queued", {"reason": "x"})
    assert client.post(f"{url}cancel/").json()["status"] == "cancelled"
    assert client.post(f"{url}cancel/").status_code == 409
    assert [entry.change_message.split(":")[0] for entry in LogEntry.objects.order_by("pk")] == [
        "Started",
        "Cancelled.",
    ]


@pytest.mark.parametrize("body", [{}, {"filter": {"resaon": "x"}}, {"filter": {"status": "odd"}}, {"filter": "all"}])
def test_a_filter_that_is_missing_or_misspelt_never_means_all_letters(client: APIClient, body: object) -> None:
    assert client.post(f"{LIST}retry/", body, format="json").status_code == 400
    assert not LetterJob.objects.exists()


def test_a_job_is_cancelled_by_whoever_could_have_started_it(user_with: UserWith) -> None:
    job = redrive.start(LetterJob.Action.DISCARD, Selection(), timezone.now(), "ada", "rubbish")
    client = client_of(user_with("view_deadletter", "retry_deadletter"))
    assert client.post(f"/dead-letter-jobs/{job.pk}/cancel/").status_code == 403
    job.refresh_from_db()
    assert job.status == "queued"


@pytest.mark.parametrize(("format_", "kind"), [("ndjson", "application/x-ndjson"), ("csv", "text/csv; charset=utf-8")])
def test_an_export_holds_what_the_filter_shows_and_is_logged(user_with: UserWith, format_: str, kind: str) -> None:
    client = client_of(user_with("export_deadletter"))
    wanted, other = make_letter(), make_letter(reason="other")
    response = client.get(f"{LIST}export/", {"as": format_, "reason": wanted.reason})
    text = b"".join(response.streaming_content).decode()
    assert response["Content-Type"] == kind
    assert (str(wanted.pk) in text, str(other.pk) in text) == (True, False)
    assert LogEntry.objects.get().change_message == f"Exported as {format_}: reason check_violation."
    assert client.get(f"{LIST}export/", {"as": "xls"}).status_code == 400


def test_groups_count_the_open_letters(client: APIClient) -> None:
    make_letter(fingerprint="a")
    (group,) = client.get(f"{LIST}groups/").json()
    assert (group["fingerprint"], group["count"], group["reason"]) == ("a", 1, "check_violation")


def test_a_filter_that_cannot_be_is_a_bad_request(client: APIClient) -> None:
    assert client.get(LIST, {"age": "ancient"}).json() == {"age": ["one of hour, day, week, older"]}
    assert client.get(LIST, {"batch_id": "x"}).status_code == 400


@pytest.mark.parametrize("name", ["not-a-uuid", "00000000-0000-4000-8000-000000000000"])
def test_a_letter_that_does_not_exist_is_not_found(client: APIClient, name: str) -> None:
    assert client.get(f"{LIST}{name}/").status_code == 404
    assert client.post(f"{LIST}{name}/retry/").status_code == 404
