"""Receivers that push while the queue refuses: by the last known key, onto the disk, and none is lost."""

import os
import signal
import urllib.error
import urllib.request

import pytest
from django.db.models import Q
from django.test import Client

from ingest.ledger.accounts import account, violations
from ingest.models import Feed
from ingest.push import receivers
from tests.faults.processes import free_port
from tests.support.messages import position
from tests.support.patience import PATIENCE_SECONDS
from tests.support.spooling import length, manage, start_queue, stop_queue, until, work
from tracking.models import VesselPosition

pytestmark = [
    pytest.mark.django_db(transaction=True, databases=["default", "direct"]),
    pytest.mark.fault,
]


fault = pytest.mark.fault
KEY = "correct-horse-battery-staple"


# --- receivers that push ----------------------------------------------------------------------------------------------
def feed(**fields):
    values = {"name": "Pier", "url": "push://", "source": "pier", "key_hash": receivers.hashed(KEY)}
    return Feed.objects.create(**values | fields)


def post(number=0, key=KEY):
    body = position(mmsi=211000000 + number) + b"\n"
    return Client().post("/api/push/pier/", body, content_type="text/plain", headers={"X-Api-Key": key})


@fault
def test_a_push_is_accepted_while_redis_is_down_by_the_last_known_key(queue, spool, django_assert_num_queries):
    feed()
    assert post(0).status_code == 202
    stop_queue()
    with django_assert_num_queries(0):
        assert [post(number).status_code for number in (1, 2)] == [202, 202]
        assert post(key="wrong").status_code == 401
    assert spool.depth().entries == 2
    start_queue()
    until(lambda: length("live") == 3, "all are on the queue")
    assert (work("live"), account(Q()).stored) == (3, 3)


@fault
def test_a_feed_that_this_process_does_not_know_is_looked_up_in_the_database(queue, spool):
    feed(enabled=False)
    stop_queue()
    assert post().status_code == 403
    Feed.objects.update(enabled=True)
    receivers._known.forget()
    assert post().status_code == 202
    assert post(key="wrong").status_code == 401
    assert spool.depth().entries == 1


@fault
def test_a_feed_that_changes_while_redis_is_down_is_not_known_from_before(queue):
    changed = feed()
    assert post().status_code == 202
    stop_queue()
    changed.key_hash = receivers.hashed("another")
    changed.save()
    assert (post().status_code, post(key="another").status_code) == (401, 202)


@fault
def test_a_push_is_a_503_when_neither_queue_nor_spool_takes_it(queue, spool, settings):
    feed()
    assert post().status_code == 202
    stop_queue()
    settings.SPOOL_MAX_BYTES = 1
    response = post()
    assert (response.status_code, response["Retry-After"]) == (503, "5")
    assert spool.depth().entries == 0


class Clock:
    now = 1000.0

    def __call__(self):
        return self.now


@fault
def test_what_was_last_known_is_trusted_for_an_hour_and_redis_is_not_asked_each_time(queue, monkeypatch):
    feed()
    clock = Clock()
    known = receivers.KnownFeeds(clock)
    assert known.feed("pier").source == "pier"
    stop_queue()
    asked = []
    connect = receivers.get_redis_connection
    monkeypatch.setattr(receivers, "get_redis_connection", lambda alias: asked.append(alias) or connect(alias))
    for _ in range(3):
        assert known.feed("pier").source == "pier"
    assert len(asked) == 1
    clock.now += receivers.AWAY_SECONDS
    assert known.feed("pier").source == "pier"
    assert len(asked) == 2
    monkeypatch.setattr(receivers.KnownFeeds, "_from_the_table", lambda self, label, away: "the table's")
    clock.now = 1000.0 + receivers.TRUSTED_SECONDS + 1
    assert known.feed("pier") == "the table's"


@fault
def test_a_web_process_killed_after_its_202s_loses_none_of_them(queue, spool, children):
    feed()
    port = free_port()
    command = ("manage.py", "web", f"--port={port}", "--processes=1")
    web = manage(*command)
    children.append(web)
    until(lambda: pushed(port, 0) == 202, "the web process answers")
    already = length("live")
    stop_queue()
    assert [pushed(port, number) for number in range(1, 21)] == [202] * 20
    os.killpg(web.pid, signal.SIGKILL)
    web.wait(10)
    assert spool.depth().entries == 20

    runner = manage("manage.py", "ingest")  # it starts the queue's Redis, too
    children.append(runner)
    until(lambda: length("live") == already + 20, "another process drains the spool")
    runner.send_signal(signal.SIGTERM)
    assert runner.wait(PATIENCE_SECONDS) == 0
    assert spool.is_empty()
    assert work("live") == already + 20
    booked = account(Q())
    assert (booked.messages, VesselPosition.objects.values("vessel").distinct().count()) == (already + 20, 21)
    assert violations(booked) == []


def pushed(port, number):
    """The status of a push to a real web process; 0: nobody answers."""
    url, body = f"http://127.0.0.1:{port}/api/push/pier/", position(mmsi=211000000 + number) + b"\n"
    request = urllib.request.Request(url, body, {"X-Api-Key": KEY, "Content-Type": "text/plain"})
    try:
        with urllib.request.urlopen(request, timeout=PATIENCE_SECONDS) as response:
            return response.status
    except urllib.error.HTTPError as error:
        return error.code
    except OSError:
        return 0
