"""Trying a feed, and the lines for its receivers: what is shown, to whom, and what stays hidden."""

import socketserver
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client
from django.urls import reverse

from ingest.feeds import trial
from ingest.feeds.senders import senders
from ingest.models import Batch, Feed, Format
from tests.support.messages import position

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trial, "SECONDS", 0.6)


@pytest.fixture
def near(settings: Any) -> None:
    """Receivers of this machine may be reached."""
    settings.FEED_ALLOW_NETWORKS = ["127.0.0.0/8"]


class Receiver(socketserver.ThreadingTCPServer):
    """Says `greeting` to whoever connects, and nothing more."""

    daemon_threads = allow_reuse_address = True
    greeting = b""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Greeter)


class Greeter(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        self.request.sendall(self.server.greeting)  # type: ignore[attr-defined]
        self.request.settimeout(30)
        self.request.recv(1)  # until the other side hangs up


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


def feed_at(receiver: Receiver, **fields: Any) -> Feed:
    url = f"tcp://127.0.0.1:{receiver.server_address[1]}"
    return Feed.objects.create(**{"name": "Pier", "url": url, "source": "pier", "format": Format.NMEA} | fields)


def staff(*codenames: str) -> Client:
    user = User.objects.create_user("clerk", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=codenames))
    client = Client()
    client.force_login(user)
    return client


@pytest.mark.usefixtures("near")
def test_the_first_lines_are_shown_with_the_format_and_nothing_is_saved(receiver):
    receiver.greeting = position() + b"\r\n" + position(lat=52.0) + b"\r\n"
    feed = feed_at(receiver)
    client = staff("view_feed", "change_feed")
    url = reverse("admin:ingest_feed_try_it", args=[feed.pk])
    assert "Nothing is saved" in client.get(url).content.decode()
    page = client.post(url).content.decode()
    assert position().decode() in page
    assert "They are what the feed says" in page
    assert not Batch.objects.exists()


@pytest.mark.usefixtures("near")
def test_another_format_than_the_feed_says_is_named(receiver):
    receiver.greeting = (
        b"MSG,3,1,1,3C6444,1,2026/05/01,12:00:00.000,2026/05/01,12:00:00.000,,33000,,,50.1,8.6,,,0,0,0,0\n"
    )
    page = staff("view_feed", "change_feed").post(reverse("admin:ingest_feed_try_it", args=[feed_at(receiver).pk]))
    assert "They look like aircraft: SBS-1" in page.content.decode()


@pytest.mark.usefixtures("near")
@pytest.mark.parametrize(("superuser", "seen"), [(False, False), (True, True)])
def test_the_greeting_of_a_service_that_is_no_receiver_is_for_superusers_only(receiver, admin_client, superuser, seen):
    receiver.greeting = b"SSH-2.0-OpenSSH_9.9 secret-host\r\n"
    client = admin_client if superuser else staff("view_feed", "change_feed")
    page = client.post(reverse("admin:ingest_feed_try_it", args=[feed_at(receiver).pk])).content.decode()
    assert ("secret-host" in page) is seen
    assert "of no format that is known here" in page


@pytest.mark.usefixtures("near")
def test_a_port_that_is_closed_and_one_that_is_silent_cannot_be_told_apart(receiver):
    silent = trial.attempt(feed_at(receiver))
    receiver.server_close()
    closed = trial.attempt(Feed.objects.get())
    assert (silent.problem, silent.size) == (closed.problem, closed.size) == ("nothing came within 1 s", 0)
    assert min(silent.seconds, closed.seconds) >= trial.SECONDS


def test_an_address_that_feeds_must_not_reach_is_not_reached_here_either(receiver):
    receiver.greeting = position() + b"\n"
    found = trial.attempt(feed_at(receiver))
    assert "FEED_ALLOW_NETWORKS" in found.problem and found.size == 0


@pytest.mark.parametrize("url", ["push://", "udp://0.0.0.0:10110", "tcp-listen://0.0.0.0:10110", "file:///etc/passwd"])
def test_a_feed_to_which_we_do_not_connect_cannot_be_tried(admin_client, url):
    feed = Feed.objects.create(name="Pier", url=url, source="pier")
    assert admin_client.post(reverse("admin:ingest_feed_try_it", args=[feed.pk])).status_code == 404
    page = admin_client.get(reverse("admin:ingest_feed_change", args=[feed.pk])).content.decode()
    assert reverse("admin:ingest_feed_try_it", args=[feed.pk]) not in page


def test_only_so_many_are_tried_at_once(monkeypatch):
    monkeypatch.setattr(trial, "_free", threading.BoundedSemaphore(1))
    with trial._free:
        assert "again in a few seconds" in trial.attempt(Feed(url="sim://?ships=5")).problem


def test_a_simulated_feed_can_be_tried():
    found = trial.attempt(Feed(pk=0, url="sim://?ships=60", format=Format.NMEA))
    assert (found.found, found.problem) == (Format.NMEA, "")
    assert "!AIVDM" in found.shown


def test_bytes_that_are_no_text_are_shown_as_a_dump():
    assert trial.shown(b"\x1a2\x00\x01").startswith("000000  1a 32 00 01")
    assert trial.shown(b"one\ntwo\nthr") == "one\ntwo"


# --- lines for receivers ----------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("url", "kind", "line"),
    [
        ("udp://0.0.0.0:10110", "nmea", "AIS-catcher -u desk.example 10110"),
        ("udp://192.168.1.5:10110", "nmea", "AIS-catcher -u 192.168.1.5 10110"),
        ("tcp-listen://0.0.0.0:4001", "nmea", "AIS-catcher -P desk.example 4001"),
        ("tcp-listen://0.0.0.0:4001", "beast", "readsb --net --net-connector=desk.example,4001,beast_out"),
        ("tcp://pier:30003", "sbs", "readsb --device-type rtlsdr --net --net-sbs-port 30003"),
        (
            "push://",
            "nmea",
            "AIS-catcher -H https://desk.example/api/push/pier/ USERPWD receiver:KEY GZIP on INTERVAL 5",
        ),
        ("udp://0.0.0.0:10110", "nmea", "rtl_ais -h desk.example -P 10110"),
    ],
)
def test_lines_say_where_to(url, kind, line):
    feed = Feed(name="Pier", url=url, source="pier", format=kind)
    assert line in [each.line for each in senders(feed, "desk.example", "https://desk.example/api/push/pier/")]


def test_where_no_program_is_known_there_are_no_lines():
    assert senders(Feed(url="sim://?ships=60", format="nmea"), "desk.example", "") == []


def test_the_page_of_a_feed_shows_the_lines_and_where_its_charts_come_from(admin_client):
    feed = Feed.objects.create(name="Pier", url="udp://0.0.0.0:10110", source="pier")
    page = admin_client.get(reverse("admin:ingest_feed_change", args=[feed.pk])).content.decode()
    assert "AIS-catcher -u testserver 10110" in page
    assert f'data-minutes="{reverse("feed-minutes", args=[feed.pk])}"' in page
