"""Feeds in the admin: made, changed and deleted there; a wrong address is refused with a sentence that helps."""

import datetime as dt
import time
from typing import Any

import pytest
import redis
from django.contrib.auth.models import Permission, User
from django.test import Client
from django.urls import reverse
from django_redis import get_redis_connection

from ingest.health import reading as health_reading
from ingest.health.recorder import Recorder
from ingest.health.standing import Standing, tell
from ingest.models import Feed
from ingest.reports import LineCounts, StationTime
from ingest.sources.common import urls as feed_urls
from tests.support.messages import batch, position

pytestmark = pytest.mark.django_db

GOOD = {"name": "Pier", "url": "tcp://10.0.0.2:10110", "format": "nmea", "source": "pier", "score": "80"} | {
    "poll_seconds": "5"
}
ON = {"enabled": "on"}
ADD = "admin:ingest_feed_add"


def errors(response: Any) -> dict[str, list[str]]:
    assert response.status_code == 200, "the form was accepted"
    return response.context["adminform"].form.errors


def test_a_feed_is_added_changed_and_deleted(admin_client):
    assert admin_client.post(reverse(ADD), GOOD | ON).status_code == 302
    feed = Feed.objects.get()
    assert (feed.url, feed.score, feed.enabled) == ("tcp://10.0.0.2:10110", 80, True)
    change = reverse("admin:ingest_feed_change", args=[feed.pk])
    assert admin_client.post(change, GOOD | {"url": " udp://0.0.0.0:10110 "}).status_code == 302
    feed.refresh_from_db()
    assert (feed.url, feed.enabled) == ("udp://0.0.0.0:10110", False)
    assert admin_client.post(reverse("admin:ingest_feed_delete", args=[feed.pk]), {"post": "yes"}).status_code == 302
    assert not Feed.objects.exists()


def test_every_field_is_explained(admin_client):
    page = admin_client.get(reverse(ADD)).content.decode()
    for name in ("name", "url", "format", "source", "score", "enabled"):
        assert Feed._meta.get_field(name).help_text in page


@pytest.mark.parametrize(
    "url",
    [
        "tcp://host:1",
        "tcp://[::1]:10110",
        "tcp://user:pass@ais.example.org:10110",
        "tcp-listen://0.0.0.0:10110",
        "udp://0.0.0.0:65535",
        "http://receiver.local:8080/data/aircraft.json",
        "https://user:pass@[2001:db8::1]/states?key=1",
        "sim://",
        "sim://?ships=60&seed=7",
        "file:///var/log/ais.nmea",
        *feed_urls.EXAMPLES.values(),
    ],
)
def test_addresses_of_every_scheme_are_accepted(admin_client, url):
    kind = "aisstream" if url.startswith("aisstream:") else "nmea"  # it sends nothing else
    assert admin_client.post(reverse(ADD), GOOD | {"url": url, "format": kind}).status_code == 302


@pytest.mark.parametrize(
    ("url", "text"),
    [
        ("ftp://host/", "must begin with one of tcp://"),
        ("http://", "host or an address is missing"),
        ("https:///data/aircraft.json", "host or an address is missing"),
        ("http://host:0/", "must be from 1 to 65535"),
        ("http://host:70000/", "Port out of range"),
        ("https://ho,st/", "neither a host name nor an address"),
        ("http://169.254.169.254/latest/meta-data/", "Link-local"),
        ("10.0.0.2:10110", "must begin with one of tcp://"),
        ("TCP:10.0.0.2", "must begin with one of tcp://"),
        ("tcp://", "host or an address is missing"),
        ("tcp://:10110", "host or an address is missing"),
        ("tcp://host", "A port from 1 to 65535 is missing"),
        ("tcp://host:0", "A port from 1 to 65535 is missing"),
        ("tcp://host:70000", "Port out of range"),
        ("tcp://host:1/path", "Nothing may follow the port"),
        ("tcp://ho,st:1", "neither a host name nor an address"),
        ("tcp://169.254.169.254:80", "Link-local"),
        ("tcp://[fe80::1]:80", "Link-local"),
        ("tcp://[::1:80", "Invalid IPv6 URL"),
        ("udp://me@0.0.0.0:1", "no user and no password"),
        ("file://relative.nmea", "full path, with three slashes"),
        ("file:///var/../etc/passwd", "must not lead upwards"),
        ("file:///var/log/", "full path, with three slashes"),
        ("sim://?ships=0", "Ships must be a whole number"),
        ("sim://?boats=1", "Boats is not an option"),
        ("sim://host/path", "For example sim://"),
    ],
)
def test_a_wrong_address_is_refused_and_a_right_one_is_shown(admin_client, url, text):
    [error] = errors(admin_client.post(reverse(ADD), GOOD | {"url": url}))["url"]
    assert text in error
    assert any(example in error for example in feed_urls.EXAMPLES.values())
    assert not Feed.objects.exists()


def test_an_address_with_a_blank_inside_is_refused(admin_client):
    [error] = errors(admin_client.post(reverse(ADD), GOOD | {"url": "tcp://ho st:1"}))["url"]
    assert error == "The address holds a space or an unprintable character."


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("score", "0"),
        ("score", "101"),
        ("source", "my pier"),
        ("name", ""),
        ("poll_seconds", "0"),
        ("options", '{"header": {}}'),
        ("options", "[1]"),
        ("receiver_latitude", "91"),
        ("receiver_longitude", "-181"),
    ],
)
def test_other_wrong_values_are_refused_by_their_field(admin_client, field, value):
    assert list(errors(admin_client.post(reverse(ADD), GOOD | {field: value}))) == [field]


def test_secrets_are_shown_to_those_who_may_change_them_only(admin_client):
    feed = Feed.objects.create(name="Pier", url="tcp://reader:hunter2@10.0.0.2:10110", source="pier")
    change, listed = reverse("admin:ingest_feed_change", args=[feed.pk]), reverse("admin:ingest_feed_changelist")
    assert "hunter2" in admin_client.get(change).content.decode()
    assert "hunter2" not in admin_client.get(listed).content.decode()
    viewer = User.objects.create_user("viewer", is_staff=True)
    viewer.user_permissions.add(Permission.objects.get(codename="view_feed"))
    client = Client()
    client.force_login(viewer)
    page = client.get(change).content.decode()
    assert "hunter2" not in page and "tcp://***@10.0.0.2:10110" in page


LIST = "/admin/ingest/feed/"


def listed(client: Client) -> str:
    return client.get(LIST).content.decode()


def test_the_list_and_the_page_of_a_feed_show_its_health(admin_client):
    get_redis_connection("queue").flushdb()
    feed = Feed.objects.create(name="Pier", url="http://10.0.0.2/aircraft.json", source="pier")
    Feed.objects.create(name="Old", url="sim://", source="old", enabled=False)
    now = time.time_ns() // 1_000_000
    tell([Standing("pier", now)], now)
    counts = LineCounts(12, 0, 10, {"checksum": 2}, {})
    recorder = Recorder()
    recorder.accepted(batch([position()], now, recorded=False, accepted_at=now, source="pier", counts=counts))
    recorder.flush()
    page = listed(admin_client)
    states = [feed.health.verdict.state for feed in admin_client.get(LIST).context["cl"].result_list]
    assert states == ["off", "ok"]
    assert " s ago" in page
    shown = admin_client.get(reverse("admin:ingest_feed_change", args=[feed.pk])).content.decode()
    assert f"{dt.datetime.fromtimestamp(now / 1000, dt.UTC):%Y-%m-%d %H:%M:%S}" in shown
    for text in ("Messages come as they should.", "Distinct targets", "Breaker", "checksum", "feed-charts"):
        assert text in shown
    get_redis_connection("queue").flushdb()


def test_the_list_asks_for_all_feeds_at_once(admin_client, django_assert_max_num_queries, monkeypatch):
    for number in range(3):
        Feed.objects.create(name=f"F{number}", url="sim://", source=f"f{number}")
    asked = []
    monkeypatch.setattr(health_reading, "read", lambda subjects, now: asked.append(len(subjects)) or {})
    with django_assert_max_num_queries(8):
        assert "unknown" in listed(admin_client)
    assert asked == [3]


def test_feeds_are_managed_while_redis_is_away(admin_client, monkeypatch):
    def away(*_):
        raise redis.ConnectionError("refused")

    monkeypatch.setattr(health_reading, "get_redis_connection", away)
    feed = Feed.objects.create(name="Pier", url="sim://", source="pier")
    assert "unknown" in listed(admin_client)
    page = admin_client.get(reverse("admin:ingest_feed_change", args=[feed.pk])).content.decode()
    assert "Redis does not answer" in page


def test_the_clock_of_a_feed_is_chosen_on_its_page_and_kept_among_its_options(admin_client):
    options = {"options": '{"datagrams_per_second": 50}'}
    assert admin_client.post(reverse(ADD), GOOD | options | {"clock": "arrival"}).status_code == 302
    feed = Feed.objects.get()
    assert feed.options == {"datagrams_per_second": 50, "clock": "arrival"}
    change = reverse("admin:ingest_feed_change", args=[feed.pk])
    page = admin_client.get(change)
    assert page.context["adminform"].form["clock"].value() == "arrival"
    both = {"options": '{"clock": "own"}', "clock": "arrival"}
    assert admin_client.post(change, GOOD | both).status_code == 302
    feed.refresh_from_db()
    assert feed.options == {"clock": "own"}, "the clock was not touched on the page, so the options say"
    assert admin_client.post(change, GOOD | {"options": '{"clock": "own"}', "clock": "auto"}).status_code == 302
    feed.refresh_from_db()
    assert feed.options == {"clock": "auto"}


def test_the_page_of_a_feed_shows_how_the_clocks_of_its_stations_are_used(admin_client):
    feed = Feed.objects.create(name="Pier", url="udp://0.0.0.0:1", source="pier")
    said = [
        StationTime("mast", "own", 70_012, 64),
        StationTime("", "arrival", 0, 8),
        StationTime("new", "unknown", 0, 1),
    ]
    standing = Standing("pier", 0)
    standing.clocks = lambda: said
    tell([standing], round(time.time() * 1000))
    page = admin_client.get(reverse("admin:ingest_feed_change", args=[feed.pk]))
    assert page.context["health"]["clocks"] == [
        ["mast", "corrected", "+70.0 s", "64"],
        ["(no name)", "not believed", "-", "8"],
        ["new", "not judged yet", "-", "1"],
    ]
    assert "Clocks of stations" in page.content.decode()
