"""Notifications by real servers: a webhook and a mail server get each event once, whatever fails on the way."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.db import connection

from resilience import clocks
from tests.resilience.conftest import closed_breakers
from tests.tracking.events.servers import Mailbox, Webhook, mail_server, webhook
from tracking import tasks
from tracking.events import recording
from tracking.events.models.event import Event, EventKind
from tracking.events.models.notices import Delivery, NotificationTarget
from tracking.events.notices import addresses, sending
from tracking.truth.notes import milliseconds

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("closed_breakers")]
__all__ = ["closed_breakers"]

State = Delivery.State


@pytest.fixture(autouse=True)
def own_network(settings: Any) -> None:
    settings.NOTIFY_ALLOW_NETWORKS = ["127.0.0.0/8"]


@pytest.fixture
def hook() -> Iterator[Webhook]:
    with webhook() as server:
        yield server


@pytest.fixture
def mailbox() -> Iterator[Mailbox]:
    with mail_server() as server:
        yield server


def target(url: str, *kinds: EventKind, **values: Any) -> NotificationTarget:
    return NotificationTarget.objects.create(name=url[-40:], url=url, kinds=list(kinds or EventKind), **values)


def happens(identity: str = "484175", kind: EventKind = EventKind.EMERGENCY) -> list[Event]:
    now = milliseconds(clocks.database_now())
    values = {"means": "general emergency", "callsign": "KLM1023"}
    return recording.record([recording.Note(kind, "aircraft", identity, "7700", now, 52.0, 4.0, "roof", values)])


def due_now() -> None:
    Delivery.objects.filter(state=State.WAITING).update(next_retry_at=clocks.database_now())


def states() -> list[str]:
    return list(Delivery.objects.order_by("id").values_list("state", flat=True))


def test_a_webhook_and_a_mail_server_get_each_event_once(hook: Webhook, mailbox: Mailbox):
    target(hook.url)
    target(mailbox.url)
    for identity in ("484175", "3c6444", "484175"):
        happens(identity)
    for _ in range(3):
        due_now()
        tasks.send_notifications()
    assert sorted(body["title"] for body in hook.arrived) == [
        "KLM1023 (3c6444): Squawk 7700: general emergency",
        "KLM1023 (484175): Squawk 7700: general emergency",
    ]
    assert "52.00000, 4.00000" in hook.arrived[0]["message"]
    assert len(mailbox.arrived) == 2
    assert all(recipients == ["watch@example.org"] for recipients, _ in mailbox.arrived)
    assert set(states()) == {State.SENT}


def test_a_target_gets_the_kinds_that_it_wants_and_nothing_while_it_is_off(hook: Webhook):
    target(hook.url, EventKind.ENTERED)
    target(hook.url + "/off", enabled=False)
    happens()
    assert states() == []


def test_an_answer_that_refuses_is_tried_again_until_it_is_taken(hook: Webhook):
    target(hook.url)
    happens()
    hook.answer = 503
    assert sending.send_due().later == 1
    delivery = Delivery.objects.get()
    assert (delivery.state, delivery.attempts, delivery.problem) == (State.WAITING, 1, "the service answered 503")
    assert delivery.next_retry_at > clocks.database_now()
    hook.answer = 200
    due_now()
    assert sending.send_due().sent == 1
    due_now()
    assert sending.send_due() == sending.Summary()
    assert len(hook.arrived) == 2


def test_a_connection_that_breaks_after_the_request_is_not_tried_again(hook: Webhook):
    target(hook.url)
    happens()
    hook.answer = "hang up"
    assert sending.send_due().unknown == 1
    due_now()
    sending.send_due()
    assert len(hook.arrived) == 1
    hook.answer = 200
    assert sending.send_again([Delivery.objects.get().pk]) == 1
    assert sending.send_due().sent == 1


def test_a_worker_that_died_in_between_leaves_it_to_a_person(hook: Webhook):
    target(hook.url)
    happens()
    assert sending._claim() is not None
    with connection.cursor() as cursor:
        cursor.execute(f"UPDATE {Delivery._meta.db_table} SET began_at = now() - interval '1 hour'")
    assert sending.send_due().unknown == 1
    assert (hook.arrived, states()) == ([], [State.UNKNOWN])


def test_after_the_last_attempt_it_is_given_up(hook: Webhook, settings: Any):
    settings.BREAKER_FAILURES = 100
    target(hook.url)
    happens()
    hook.answer = 500
    for _ in range(sending.MOST_ATTEMPTS):
        due_now()
        sending.send_due()
    assert states() == [State.GIVEN_UP]
    assert len(hook.arrived) == sending.MOST_ATTEMPTS


def test_a_target_that_is_away_opens_its_own_breaker_and_holds_up_nobody(hook: Webhook):
    with webhook() as gone:
        away = gone.url
    target(away)
    for number in range(8):
        happens(f"48417{number}")
    sending.send_due()
    attempts = sorted(Delivery.objects.values_list("attempts", flat=True))
    assert attempts[0] == 0, "the breaker opened before all were tried"
    target(hook.url)
    happens("3c6444")
    sending.send_due()
    assert len(hook.arrived) == 1


def test_a_redirect_is_not_followed(hook: Webhook):
    target(hook.url)
    happens()
    hook.answer = "redirect"
    sending.send_due()
    assert len(hook.arrived) == 1


def test_an_event_and_its_deliveries_are_committed_together(hook: Webhook, monkeypatch: pytest.MonkeyPatch):
    target(hook.url)

    def fails(*given: object, **named: object) -> None:
        raise OSError("killed")

    monkeypatch.setattr(Delivery.objects, "bulk_create", fails)
    with pytest.raises(OSError, match="killed"):
        happens()
    assert not Event.objects.exists()


@pytest.mark.parametrize(
    "url",
    [
        "syslog://",
        "dbus://",
        "nonsense",
        "file:///etc/passwd",
        "slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ/%23general?template=/etc/passwd",
        "mailto://u:p@example.org?pgp=sign&pgpprv=/etc/shadow",
        "json://169.254.169.254/latest/meta-data",
        "json://10.0.0.1/hook",
        "json://[::ffff:10.0.0.1]/hook",
    ],
)
def test_an_address_of_this_host_of_files_or_of_a_private_network_is_refused(url: str):
    with pytest.raises(addresses.BadTarget) as refused:
        addresses.check(url)
    rest = url.partition("://")[2]
    assert not rest or rest not in str(refused.value)


def test_a_masked_address_shows_no_secret():
    assert addresses.masked("json://user:hunter2@127.0.0.1:8000/key") == "json://127.0.0.1/…"
    shown = addresses.masked("tgram://123456789:ABCdefghijkl-zyx57W2v1u123ew11/12315544/")
    assert shown == "tgram://…"
    assert "hunter2" not in addresses.masked("mailtos://u:hunter2@example.org")
