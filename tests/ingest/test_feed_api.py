"""Feeds over the API: read-only, without secrets."""

import pytest

from ingest import feed_urls
from ingest.models import Feed

pytestmark = pytest.mark.django_db


@pytest.fixture
def feed() -> Feed:
    return Feed.objects.create(name="Pier", url="tcp://reader:hunter2@10.0.0.2:10110", source="pier", score=90)


def test_feeds_are_listed_and_shown_with_masked_addresses(admin_client, feed):
    [listed] = admin_client.get("/api/feeds/").json()["results"]
    shown = admin_client.get(f"/api/feeds/{feed.pk}/").json()
    assert listed == shown
    assert shown["url"] == "tcp://***@10.0.0.2:10110"
    assert (shown["name"], shown["source"], shown["format"], shown["score"], shown["enabled"]) == (
        "Pier",
        "pier",
        "nmea",
        90,
        True,
    )


def test_feeds_are_filtered_by_whether_they_run(admin_client, feed):
    Feed.objects.create(name="Old", url="sim://", source="old", enabled=False)
    names = [row["name"] for row in admin_client.get("/api/feeds/?enabled=false").json()["results"]]
    assert names == ["Old"]


@pytest.mark.parametrize("key", ["0", "x", "9999999999999999999999", "%00"])
def test_a_feed_that_is_not_there_is_a_404(admin_client, key):
    response = admin_client.get(f"/api/feeds/{key}/")
    assert response.status_code == 404
    assert response.json()["detail"].startswith("No feed has the id")


def test_feeds_are_for_users_and_are_not_written_here(client, admin_client, feed):
    assert client.get("/api/feeds/").status_code == client.get(f"/api/feeds/{feed.pk}/").status_code == 401
    assert admin_client.post("/api/feeds/", {}).status_code == 405
    assert admin_client.delete(f"/api/feeds/{feed.pk}/").status_code == 405


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("tcp://10.0.0.2:10110", "tcp://10.0.0.2:10110"),
        ("tcp://user@host:1", "tcp://***@host:1"),
        ("tcp://user:p@ss@host:1", "tcp://***@host:1"),
        ("https://host/a?box=1&api_key=abc&x=2", "https://host/a?box=1&api_key=***&x=2"),
        ("https://host/a?Token=abc#part", "https://host/a?Token=***#part"),
        ("sim://?ships=60&seed=7", "sim://?ships=60&seed=7"),
        ("file:///data/a@b.nmea", "file:///data/a@b.nmea"),
    ],
)
def test_masking_takes_the_secrets_and_leaves_the_rest(url, shown):
    assert feed_urls.masked(url) == shown
