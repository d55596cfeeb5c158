"""Every page and action of the dead letters in the admin."""

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import User
from django.contrib.messages import get_messages
from django.http import HttpResponse
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from resilience.breaker.registry import get_breaker
from resilience.letters import dead_letters
from resilience.letters.admin import letter_actions
from resilience.models import DeadLetter
from tests.resilience.conftest import UserWith
from tests.support.letters import SENTENCE, RecordingHandler, Refusal, fail_with, make_letter

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("handler")]
LIST = "/admin/resilience/deadletter/"
Status = DeadLetter.Status


@pytest.fixture
def client(user_with: UserWith) -> Client:
    """Somebody who may look, retry and discard."""
    return client_of(user_with("view_deadletter", "retry_deadletter", "discard_deadletter"))


def client_of(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def page_of(letter: DeadLetter, action: str = "change") -> str:
    if action == "change":
        return reverse("admin:resilience_deadletter_change", args=[letter.pk])
    return reverse(f"admin:resilience_deadletter_{action}_letter", args=[letter.pk])


def act(client: Client, action: str, *letters: DeadLetter, **fields: str) -> HttpResponse:
    chosen = [str(letter.pk) for letter in letters]
    return client.post(LIST, {"action": action, "_selected_action": chosen, **fields})


def said(response: HttpResponse) -> list[str]:
    return [str(message) for message in get_messages(response.wsgi_request)]


def entries() -> list[str]:
    return list(LogEntry.objects.order_by("pk").values_list("change_message", flat=True))


# --- looking ----------------------------------------------------------------------------------------------------------
def test_the_list_shows_letters_within_a_budget_of_queries(client: Client, django_assert_max_num_queries) -> None:
    for ordinal in range(50):
        make_letter(ordinal=ordinal, raw=b"x" * 5000)
    with django_assert_max_num_queries(9):
        response = client.get(LIST)
    assert response.status_code == 200
    assert b"check_violation" in response.content


def test_the_list_does_not_fetch_the_messages(client: Client) -> None:
    make_letter()
    letter = client.get(LIST).context["cl"].result_list[0]
    assert letter.get_deferred_fields() == {"raw", "edited", "context", "traceback", "history"}


@pytest.mark.parametrize("query", ["status=pending", "reason=check_violation", "source=harbour"])
def test_the_list_filters_by_what_is_indexed(client: Client, query: str) -> None:
    wanted = make_letter()
    make_letter(status=Status.RESOLVED, reason="other", source="roof")
    assert [letter.pk for letter in client.get(f"{LIST}?{query}").context["cl"].result_list] == [wanted.pk]


def test_the_list_is_searched_by_the_id_of_a_batch_or_of_a_letter(client: Client) -> None:
    wanted, _ = make_letter(), make_letter()
    for term in (wanted.batch_id, str(wanted.batch_id).upper(), f" {wanted.pk} "):
        found = client.get(LIST, {"q": term}).context["cl"].result_list
        assert [letter.pk for letter in found] == [wanted.pk]
    assert not client.get(LIST, {"q": "harbour"}).context["cl"].result_list


def test_a_filter_that_cannot_be_shows_the_whole_list(client: Client) -> None:
    response = client.get(f"{LIST}?age=ancient")
    assert (response.status_code, response.url) == (302, f"{LIST}?e=1")


def test_the_page_shows_what_the_message_says_or_why_it_says_nothing(client: Client) -> None:
    assert "<td" in client.get(page_of(make_letter(raw=b"hello"))).content.decode().split("What it says")[1][:500]
    html = client.get(page_of(make_letter(raw=b"rubbish"))).content.decode()
    assert "It cannot be decoded: no_sentence." in html
    assert "Nobody in this installation" in client.get(page_of(make_letter(kind="other"))).content.decode()


def test_the_page_tells_every_attempt_with_who_and_when(client: Client, handler: RecordingHandler) -> None:
    handler.act = fail_with(Refusal("still_bad"))
    letter = make_letter()
    for by in ("ada", "schedule"):
        dead_letters.retry(letter.pk, by)
    html = client.get(page_of(letter)).content.decode()
    assert "retry by ada: failed, still_bad" in html
    assert html.index("retry by schedule") < html.index("retry by ada")  # the last one first


def test_a_hostile_message_is_escaped(client: Client) -> None:
    letter = make_letter(raw=b"<script>alert(1)</script>", message="<img src=x onerror=alert(1)>")
    for url in (page_of(letter), LIST, page_of(letter, "discard")):
        html = client.get(url).content.decode()
        assert "<script>alert(1)" not in html
        assert "<img src=x" not in html
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in client.get(page_of(letter)).content.decode()


def test_bytes_that_nobody_can_print_are_shown_in_hexadecimal(client: Client) -> None:
    html = client.get(page_of(make_letter(raw=b"\x1a3ABC\x00\xff"))).content.decode()
    assert r"\x1a3ABC\x00\xff" in html
    assert "000000  1a 33 41 42 43 00 ff" in html


def test_of_a_long_message_the_page_shows_the_beginning(client: Client) -> None:
    html = client.get(page_of(make_letter(raw=b"a" * 9000))).content.decode()
    assert "808 bytes more" in html


def test_the_page_of_a_letter_changes_nothing(client: Client) -> None:
    letter = make_letter()
    assert client.post(page_of(letter), {"reason": "changed"}).status_code == 403
    assert client.get(f"{LIST}add/").status_code == 403
    assert client.get(f"{LIST}{letter.pk}/delete/").status_code == 403


@pytest.mark.parametrize("name", ["not-a-uuid", "00000000-0000-4000-8000-000000000000"])
def test_a_letter_that_does_not_exist_is_no_error(client: Client, name: str) -> None:
    assert client.get(f"{LIST}{name}/change/").status_code == 302
    assert client.get(f"{LIST}{name}/retry/").status_code == 404
    assert client.get(f"{LIST}{name}/discard/").status_code == 404


# --- retrying ---------------------------------------------------------------------------------------------------------
def test_retry_now_replays_the_selected_letters_and_logs_each(client: Client) -> None:
    response = act(client, "retry_selected", make_letter(), make_letter())
    assert said(response) == ["Retried: 2 resolved."]
    assert set(DeadLetter.objects.values_list("status", "closed_by")) == {("resolved", "clerk")}
    assert entries() == ["Retried: resolved, stored."] * 2


def test_retry_now_says_how_many_failed_and_why(client: Client) -> None:
    response = act(client, "retry_selected", make_letter(), make_letter(kind="unheard_of"))
    assert said(response) == ["Retried: 1 resolved, 1 failed. Reasons: no_handler."]


def test_retry_now_says_that_the_breaker_is_open(client: Client, handler: RecordingHandler) -> None:
    get_breaker("database").trip("ada", "maintenance")
    response = act(client, "retry_selected", make_letter())
    assert said(response) == ["Retried: none. Stopped: the breaker of the database is not closed."]
    assert handler.replayed == []


def test_the_page_of_a_letter_asks_before_it_retries(client: Client, handler: RecordingHandler) -> None:
    letter = make_letter()
    assert b"Retry now" in client.get(page_of(letter)).content
    assert client.get(page_of(letter, "retry")).status_code == 200
    assert handler.replayed == []
    response = client.post(page_of(letter, "retry"))
    assert (response.url, said(response)) == (page_of(letter), ["Retried: 1 resolved."])
    assert "Retried: resolved, stored." in client.get(f"{LIST}{letter.pk}/history/").content.decode()


# --- discarding -------------------------------------------------------------------------------------------------------
def test_discarding_asks_for_a_reason_first(client: Client) -> None:
    letters = make_letter(), make_letter()
    response = act(client, "discard_selected", *letters)
    assert "Discard 2 dead letters?" in response.content.decode()
    assert dead_letters.open_count() == 2
    response = act(client, "discard_selected", *letters, confirmed="yes", reason="  ", asked_at=asked_at(response))
    assert "This field is required" in response.content.decode()
    assert dead_letters.open_count() == 2


def test_discarding_with_a_reason_closes_the_letters_and_logs_each(client: Client, handler: RecordingHandler) -> None:
    letters = make_letter(), make_letter()
    asked = asked_at(act(client, "discard_selected", *letters))
    response = act(client, "discard_selected", *letters, confirmed="yes", reason="a broken station", asked_at=asked)
    assert said(response) == ["2 of 2 discarded."]
    assert set(DeadLetter.objects.values_list("status", "note")) == {("discarded", "a broken station")}
    assert entries() == ["Discarded: a broken station"] * 2
    assert len(handler.given_up) == 2


def test_a_letter_without_a_handler_is_not_discarded(client: Client) -> None:
    letter = make_letter(kind="unheard_of")
    response = client.post(page_of(letter, "discard"), {"reason": "rubbish"})
    assert said(response) == ["Nothing was discarded: no handler is registered for unheard_of."]


def test_one_request_discards_a_bounded_number(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(letter_actions, "AT_ONCE", 3)
    letters = [make_letter(ordinal=ordinal) for ordinal in range(5)]
    asked = asked_at(act(client, "discard_selected", *letters))
    response = act(client, "discard_selected", *letters, confirmed="yes", reason="rubbish", asked_at=asked)
    assert "repeat for the rest" in said(response)[0]
    assert dead_letters.open_count() == 2


def test_the_page_of_a_letter_discards_it_with_a_reason(client: Client) -> None:
    letter = make_letter()
    assert client.get(page_of(letter, "discard")).status_code == 200
    assert b"This field is required" in client.post(page_of(letter, "discard"), {"reason": ""}).content
    response = client.post(page_of(letter, "discard"), {"reason": "a broken station"})
    assert (response.url, said(response)) == (page_of(letter), ["1 of 1 discarded."])


def test_a_closed_letter_has_no_buttons(client: Client) -> None:
    html = client.get(page_of(make_letter(status=Status.RESOLVED))).content.decode()
    assert "/retry/" not in html
    assert "/discard/" not in html


# --- editing ----------------------------------------------------------------------------------------------------------
def test_an_edited_letter_shows_both_messages_and_is_logged(user_with: UserWith, handler: RecordingHandler) -> None:
    client, letter = client_of(user_with("view_deadletter", "edit_deadletter")), make_letter()
    assert SENTENCE.decode() in client.get(page_of(letter, "edit")).content.decode()
    response = client.post(page_of(letter, "edit"), {"message": "mended"})
    assert (response.url, said(response)) == (page_of(letter), ["Retried: 1 resolved."])
    assert handler.payloads == [b"mended"]
    html = client.get(page_of(letter)).content.decode()
    assert SENTENCE.decode() in html
    assert "Edited message" in html
    assert entries() == ["Edited and retried: resolved, stored."]


def test_what_cannot_be_decoded_is_asked_again_with_the_reason(user_with: UserWith, handler: RecordingHandler) -> None:
    client, letter = client_of(user_with("view_deadletter", "edit_deadletter")), make_letter()
    response = client.post(page_of(letter, "edit"), {"message": "rubbish"})
    assert "This cannot be decoded: no_sentence." in response.content.decode()
    assert (handler.replayed, entries()) == ([], [])


def test_a_letter_of_a_kind_that_nobody_edits_says_so(user_with: UserWith, handler: RecordingHandler) -> None:
    handler.editable = False
    client, letter = client_of(user_with("view_deadletter", "edit_deadletter")), make_letter()
    assert "/edit/" not in client.get(page_of(letter)).content.decode()
    assert "cannot be edited" in said(client.post(page_of(letter, "edit"), {"message": "x"}))[0]
    assert handler.replayed == []


# --- who --------------------------------------------------------------------------------------------------------------
ALL = ["retry_deadletter", "edit_deadletter", "discard_deadletter", "export_deadletter"]


@pytest.mark.parametrize("action", ["retry", "edit", "discard"])
def test_each_action_needs_its_own_permission(action: str, handler: RecordingHandler, user_with: UserWith) -> None:
    others = [name for name in ALL if name != f"{action}_deadletter"]
    client, letter = client_of(user_with("view_deadletter", *others)), make_letter()
    assert f"/{action}/" not in client.get(page_of(letter)).content.decode()
    assert client.post(page_of(letter, action), {"reason": "x", "message": "x"}).status_code == 403
    act(client, f"{action}_selected", letter, confirmed="yes", reason="x", asked_at=timezone.now().isoformat())
    assert (handler.replayed, handler.given_up, dead_letters.open_count()) == ([], [], 1)


def test_an_action_alone_does_not_let_anybody_look(user_with: UserWith) -> None:
    client, letter = client_of(user_with(*ALL)), make_letter()
    assert client.get(LIST).status_code == 403
    for action in ("retry", "edit", "discard"):
        assert client.get(page_of(letter, action)).status_code == 403


def test_a_traceback_needs_its_own_permission(client: Client, user_with: UserWith) -> None:
    letter = make_letter(traceback='File "secret.py", line 1')
    assert "secret.py" not in client.get(page_of(letter)).content.decode()
    User.objects.all().delete()
    html = client_of(user_with("view_deadletter", "view_traceback")).get(page_of(letter)).content.decode()
    assert "secret.py" in html


def test_a_form_of_another_site_retries_nothing(client: Client, handler: RecordingHandler) -> None:
    strict = Client(enforce_csrf_checks=True)
    strict.cookies = client.cookies
    assert strict.post(page_of(make_letter(), "retry")).status_code == 403
    assert handler.replayed == []


def asked_at(response: HttpResponse) -> str:
    return str(response.context["question"].form["asked_at"].value())
