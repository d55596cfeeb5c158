"""Relays in the admin, on /status and in the metrics: made there, judged by what their processes tell."""

import pytest
import redis
from django.urls import reverse

from ingest.models import Relay
from ingest.relays import account, panel, sections
from ingest.relays.account import AccountBook, RelayStanding, ToldRelay
from ingest.relays.admin import REASONS
from ingest.relays.standing import RelayState, judge
from tests.resilience.conftest import queue
from tracking.handbook import pages

__all__ = ["queue"]
pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("queue")]

GOOD = {"name": "Pier", "url": " udp://192.168.1.20:10110 ", "format": "nmea", "messages_per_second": "0"} | {
    "max_age_seconds": "60",
    "positions": "on",
}
ADD = "admin:ingest_relay_add"


@pytest.fixture
def relay():
    return Relay.objects.create(name="Pier", url="udp://127.0.0.1:9")


def tell(relay, state="ok", error="", **dropped):
    book = AccountBook(relay.pk, relay.name)
    books = book.claim()
    books.id, books.sent, books.accepted = "1-0", 7, 7 + sum(dropped.values())
    books.dropped.update(dropped)
    book.save(books, RelayStanding(state, error))


def page(client, relay):
    return client.get(reverse("admin:ingest_relay_change", args=[relay.pk])).content.decode()


def test_a_relay_is_made_changed_and_deleted(admin_client):
    assert admin_client.post(reverse(ADD), GOOD).status_code == 302
    made = Relay.objects.get()
    assert (made.url, made.positions, made.static, made.enabled) == ("udp://192.168.1.20:10110", True, False, False)
    change = reverse("admin:ingest_relay_change", args=[made.pk])
    assert admin_client.post(change, GOOD | {"enabled": "on"}).status_code == 302
    tell(made)
    assert admin_client.post(reverse("admin:ingest_relay_delete", args=[made.pk]), {"post": "yes"}).status_code == 302
    assert not Relay.objects.exists()
    assert account.known_keys() == []


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"url": "http://example.org"}, "must begin with one of udp://"),
        ({"url": "udp://127.0.0.1:9", "format": "beast"}, "do not travel by udp"),
        ({"messages_per_second": "-1"}, "greater than or equal to 0"),
        ({"max_age_seconds": "0"}, "greater than or equal to 1"),
    ],
)
def test_what_cannot_be_meant_is_refused_in_words(admin_client, changes, words):
    response = admin_client.post(reverse(ADD), GOOD | changes)
    assert response.status_code == 200
    assert words in response.content.decode()


def test_the_account_of_a_relay_is_shown_with_the_meaning_of_each_reason(admin_client, relay):
    tell(relay, duplicate=3, late=1)
    shown = page(admin_client, relay)
    assert "11 = 7 + 4 + 0" in shown
    assert "adds up" in shown
    assert REASONS["duplicate"] in shown


def test_a_relay_that_fails_says_why_in_the_admin_alone(admin_client, relay):
    tell(relay, "failing", "10.0.0.2 does not answer")
    assert "10.0.0.2 does not answer" in page(admin_client, relay)
    assert "10.0.0.2" not in str(sections.relays())


def test_the_pages_work_without_redis(admin_client, relay, monkeypatch):
    def away(alias):
        raise redis.ConnectionError("away")

    monkeypatch.setattr(account, "get_redis_connection", away)
    assert "does not answer" in page(admin_client, relay)
    assert admin_client.get(reverse("admin:ingest_relay_changelist")).status_code == 200


def test_a_relay_of_which_nobody_tells_is_off():
    told = ToldRelay(account.RelayAccount(), "Pier", RelayStanding("ok"), told_at=1_000_000)
    assert judge(told, 1_020_000).state is RelayState.OK
    assert judge(told, 1_040_000).state is RelayState.OFF
    assert judge(ToldRelay(account.RelayAccount())).state is RelayState.OFF


def test_status_lists_relays_and_counts_them(relay):
    assert sections.relays()["summary"] == "none has run lately"
    tell(relay, "failing", late=2)
    found = sections.relays()
    assert (found["state"], found["summary"]) == ("degraded", "1 relays; 1 not well")
    assert found["rows"] == [["Pier", "failing", "9", "7", "2", "late"]]
    counted = found["metrics"][1]["samples"]
    assert {sample["labels"]["outcome"]: sample["value"] for sample in counted} == {"sent": 7.0, "late": 2.0}
    account.lose_place(relay.pk)
    assert sections.relays()["rows"] == []


def test_the_desk_names_relays_that_do_not_send_and_counts_them(relay):
    assert panel.relays("1h")["troubles"][0]["text"] == "no process runs the relays: start `manage.py relay`"
    tell(relay)
    assert panel.relays("1h") == {"enabled": 1, "troubles": []}
    mole = Relay.objects.create(name="Mole", url="udp://127.0.0.1:9")
    tell(mole, "failing", "no way to it")
    [trouble] = panel.relays("24h")["troubles"]
    assert trouble["text"] == "relay Mole does not send (no way to it)"
    assert trouble["url"] == reverse("admin:ingest_relay_change", args=[mole.pk])
    assert panel.badges()[0]["ask"]() == 1
    Relay.objects.update(enabled=False)
    assert panel.relays("1h") == {"enabled": 0, "troubles": []}


def test_the_handbook_explains_every_reason():
    text = (pages.DIRECTORY / "relays.md").read_text()
    assert [reason for reason in REASONS if f"`{reason}`" not in text] == []
