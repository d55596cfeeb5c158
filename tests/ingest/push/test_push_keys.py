"""Keys of feeds that receive: made in the admin, and copied to where a post is checked."""

import pytest
import redis
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission, User
from django.test import Client
from django.urls import reverse

from ingest.models import Feed
from ingest.push import receivers
from tests.support.pushing import KEY, feed, lines, post


# --- the copy of the feeds --------------------------------------------------------------------------------------------
@pytest.mark.django_db(transaction=True)
def test_the_copy_follows_what_is_saved_and_deleted():
    stored = feed()
    stored.save()
    assert receivers.admit("pier", KEY).score == 80
    stored.score, stored.source, stored.receiver_latitude, stored.receiver_longitude = 60, "quay", 52.0, 4.0
    stored.save()
    assert receivers.admit("pier", KEY) is None
    assert (receivers.admit("quay", KEY).score, receivers.admit("quay", KEY).receiver) == (60, (52.0, 4.0))
    Feed.objects.create(name="Other", source="other", url="udp://0.0.0.0:1", key_hash=receivers.hashed(KEY))
    assert receivers.admit("other", KEY) is None
    stored.delete()
    assert receivers.admit("quay", KEY) is None


@pytest.mark.django_db(transaction=True)
def test_a_redis_that_is_away_does_not_keep_a_feed_from_being_saved(monkeypatch, caplog):
    def away(*args):
        raise redis.ConnectionError("refused")

    monkeypatch.setattr(receivers, "get_redis_connection", away)
    feed().save()
    assert "told of changed feeds later" in caplog.text


@pytest.mark.django_db(transaction=True)
def test_the_loop_of_the_feeds_mends_the_copy(queue):
    from ingest.feeds.runner import _enabled_feeds

    feed().save()
    queue.delete(receivers.COPY)
    _enabled_feeds(set())
    assert receivers.admit("pier", KEY) is not None


def test_a_copy_that_is_right_is_not_written_again(queue):
    before = queue.info("persistence")["rdb_changes_since_last_save"]
    receivers.copy([feed()])
    assert queue.info("persistence")["rdb_changes_since_last_save"] == before


# --- keys in the admin ------------------------------------------------------------------------------------------------
@pytest.mark.django_db(transaction=True)
def test_a_new_key_is_shown_once_works_and_replaces_the_old_one(admin_client):
    stored = feed()
    stored.save()
    page = reverse("admin:ingest_feed_new_key", args=[stored.pk])
    assert page in admin_client.get(reverse("admin:ingest_feed_change", args=[stored.pk])).content.decode()
    assert "are refused from then on" in admin_client.get(page).content.decode()
    assert post(lines(1)).status_code == 202

    shown = admin_client.post(page, {"confirmed": "yes"})
    key = shown.context["key"]
    assert shown.status_code == 200 and key in shown.content.decode() and len(key) == 43
    assert "no-store" in shown["Cache-Control"]
    assert (post(lines(1)).status_code, post(lines(1), key=key).status_code) == (401, 202)

    stored.refresh_from_db()
    assert stored.key_hash == receivers.hashed(key)
    entry_of_log = LogEntry.objects.get()
    assert entry_of_log.get_change_message() == "Made a new key."
    for again in (admin_client.get(page), admin_client.get(reverse("admin:ingest_feed_change", args=[stored.pk]))):
        assert key not in again.content.decode() and stored.key_hash not in again.content.decode()


@pytest.mark.django_db
def test_a_key_needs_the_permission_to_change_feeds_and_a_feed_that_receives(admin_client):
    stored = feed()
    stored.save()
    other = Feed.objects.create(name="Other", source="other", url="udp://0.0.0.0:1")
    viewer = User.objects.create_user("viewer", is_staff=True)
    viewer.user_permissions.add(Permission.objects.get(codename="view_feed"))
    client = Client()
    client.force_login(viewer)
    page = reverse("admin:ingest_feed_new_key", args=[stored.pk])
    assert client.post(page, {"confirmed": "yes"}).status_code == 403
    assert admin_client.post(reverse("admin:ingest_feed_new_key", args=[other.pk])).status_code == 404
    stored.refresh_from_db()
    assert stored.key_hash == receivers.hashed(KEY)


@pytest.mark.django_db
def test_a_feed_that_receives_is_made_in_the_admin(admin_client):
    form = {"name": "Pier", "format": "nmea", "source": "pier", "score": "80", "poll_seconds": "5"}
    refused = admin_client.post(reverse("admin:ingest_feed_add"), form | {"url": "push://pier"})
    assert "Nothing may follow the slashes" in refused.content.decode()
    assert admin_client.post(reverse("admin:ingest_feed_add"), form | {"url": "push://"}).status_code == 302
    assert Feed.objects.get().only_receives
