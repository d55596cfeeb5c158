"""Parked entries in the admin: seen, returned and discarded, each by who may."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.test import Client
from django_redis import get_redis_connection

from resilience.queue.broker import StreamsBroker
from resilience.queue.resubmission import park
from resilience.queue.streams import LIVE, Streams
from tests.resilience.breaker.test_breaker_admin import client_with

pytestmark = pytest.mark.django_db
LIST = "/admin/resilience/parkedentry/"
TASK = "resilience.tasks.expire_dead_letters"


@pytest.fixture
def streams() -> Iterator[Streams]:
    client: Any = get_redis_connection("queue")
    client.flushdb()
    park(
        TASK, stream=LIVE, reason="unexpected: <b>", attempts=5, subject="pier", traceback="ProgrammingError: no column"
    )
    yield StreamsBroker().streams
    client.flushdb()


def test_who_may_see_them_sees_whose_they_are_and_why(streams: Streams) -> None:
    text = client_with("view_parked").get(LIST).content.decode()
    assert "pier" in text and "unexpected: &lt;b&gt;" in text
    assert "no column" not in text, "tracebacks need their own permission"
    assert "Discard…" not in text


def test_the_traceback_is_for_who_may_see_tracebacks(streams: Streams) -> None:
    assert "no column" in client_with("view_parked", "view_traceback").get(LIST).content.decode()


def test_without_permission_there_is_no_page(streams: Streams) -> None:
    assert client_with("view_breaker").get(LIST).status_code == 403
    assert len(streams.parked()) == 1


def test_who_may_only_look_cannot_discard(streams: Streams) -> None:
    (entry,) = streams.parked()
    assert client_with("view_parked").post(f"{LIST}{entry.entry_id}/discard/").status_code == 403
    assert len(streams.parked()) == 1


@pytest.mark.parametrize(("verb", "waiting"), [("return", 1), ("discard", 0)])
def test_it_asks_first_then_acts_and_keeps_who_did_it(streams: Streams, verb: str, waiting: int) -> None:
    client = client_with("view_parked", "operate_parked")
    (entry,) = streams.parked()
    page = f"{LIST}{entry.entry_id}/{verb}/"
    assert client.get(page).status_code == 200
    assert len(streams.parked()) == 1, "looking changes nothing"
    assert client.post(page, {"confirmed": "yes"}).status_code == 302
    assert (streams.parked(), streams.depths()[LIVE].waiting) == ([], waiting)
    assert LogEntry.objects.get().object_id == entry.entry_id
    assert client.get(page).status_code == 404


def test_a_list_of_nothing_says_so(client: Client) -> None:
    get_redis_connection("queue").flushdb()
    assert "Nothing is parked" in client_with("view_parked").get(LIST).content.decode()
