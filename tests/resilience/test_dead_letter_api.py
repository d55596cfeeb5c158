"""The API of dead letters."""

from collections.abc import Iterator

import pytest
from django.contrib.auth.models import Permission, User
from django.db import OperationalError
from rest_framework.test import APIClient

from resilience import dead_letters
from resilience.models import DeadLetter
from tests.resilience.letters import (
    HEARD_AT,
    SENTENCE,
    RecordingHandler,
    fail_with,
    forget_breakers,
    make_letter,
)

pytestmark = [pytest.mark.django_db, pytest.mark.urls("resilience.urls")]
LIST = "/dead-letters/"


@pytest.fixture(autouse=True)
def closed_breakers() -> Iterator[None]:
    forget_breakers()
    yield
    forget_breakers()


@pytest.fixture(autouse=True)
def handler(monkeypatch: pytest.MonkeyPatch) -> RecordingHandler:
    monkeypatch.setattr(dead_letters, "_handlers", {})
    handler = RecordingHandler()
    dead_letters.register("test", handler)
    return handler


def client_with(*codenames: str) -> APIClient:
    user = User.objects.create_user("robot")
    user.user_permissions.set(Permission.objects.filter(codename__in=codenames))
    client = APIClient()
    client.force_authenticate(user)
    return client


@pytest.fixture
def client() -> APIClient:
    return client_with("view_deadletter", "retry_deadletter", "discard_deadletter")


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


@pytest.mark.parametrize("field", ["status", "reason", "source", "batch_id"])
def test_the_list_filters_by_what_is_indexed(client: APIClient, field: str) -> None:
    wanted = make_letter()
    make_letter(status="resolved", reason="other", source="roof")
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
    assert DeadLetter.objects.get().closed_by == "robot"
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
    assert (letter.status, letter.note, letter.closed_by) == ("discarded", "a broken station", "robot")
    assert client.post(f"{LIST}{letter.pk}/discard/", {"reason": "again"}).status_code == 409


def test_a_letter_without_a_handler_is_not_discarded(client: APIClient) -> None:
    response = client.post(f"{LIST}{make_letter(kind='unheard_of').pk}/discard/", {"reason": "x"})
    assert (response.status_code, response.json()["detail"]) == (409, "no_handler")


def test_nobody_gets_in_without_a_key() -> None:
    assert APIClient().get(LIST).status_code in (401, 403)


def test_each_action_needs_its_own_permission(handler: RecordingHandler) -> None:
    client, letter = client_with("view_deadletter"), make_letter()
    assert client.get(LIST).status_code == 200
    assert client.post(f"{LIST}{letter.pk}/retry/").status_code == 403
    assert client.post(f"{LIST}{letter.pk}/discard/", {"reason": "x"}).status_code == 403
    assert (handler.replayed, dead_letters.open_count()) == ([], 1)


def test_an_action_alone_does_not_let_anybody_look() -> None:
    client = client_with("retry_deadletter")
    assert client.get(LIST).status_code == 403


@pytest.mark.parametrize("name", ["not-a-uuid", "00000000-0000-4000-8000-000000000000"])
def test_a_letter_that_does_not_exist_is_not_found(client: APIClient, name: str) -> None:
    assert client.get(f"{LIST}{name}/").status_code == 404
    assert client.post(f"{LIST}{name}/retry/").status_code == 404
