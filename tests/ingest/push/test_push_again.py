"""What is posted again with its key is booked once, and what is accepted is booked at all, also through outages."""

import gzip

import pytest
import redis
from django.db.models import Q
from django_q.signing import SignedPackage

from ingest import tasks
from ingest.ledger.accounts import account, violations
from ingest.push import receivers
from ingest.push.view import to_batches
from resilience.queue.broker import StreamsBroker
from resilience.queue.streams import Streams
from resilience.spool import drain
from resilience.spool.spool import get_spool
from tests.support.pushing import KEY, feed, lines, post, queued
from tracking.models import Vessel, VesselPosition


def work(queue):
    """Run every task once, as a worker would; how many."""
    found = queue.xrange(Streams(queue, "tracking").key("live"))
    for _, fields in found:
        tasks.process_batch(*SignedPackage.loads(fields[b"t"].decode())["args"])
    return len(found)


# --- the same again ---------------------------------------------------------------------------------------------------
def ids(body, key, source="pier", now=1_767_268_800_000):
    return [parcel.id for parcel in to_batches(receivers.admit(source, KEY), body, now, key)]


def test_a_key_names_every_batch_of_a_body_whenever_it_comes(settings):
    settings.INGEST_BATCH_SIZE = 10
    named = ids(lines(25), "monday-1")
    assert named == ids(lines(25), "monday-1", now=1_767_268_800_000 + 86_400_000)
    assert len(set(named)) == 3


def test_another_key_body_feed_or_cut_makes_other_batches(settings):
    receivers.copy([feed(), feed(source="quay", key_hash=receivers.hashed(KEY))])
    settings.INGEST_BATCH_SIZE = 10
    named = set(ids(lines(25), "monday-1"))
    others = [
        ids(lines(25), "monday-2"),
        ids(lines(24), "monday-1"),
        ids(lines(25), "monday-1", source="quay"),
        ids(lines(25), ""),
        ids(lines(25), ""),
    ]
    settings.INGEST_BATCH_SIZE = 5
    others.append(ids(lines(25), "monday-1"))
    everything = [name for group in others for name in group]
    assert len({*named, *everything}) == len(named) + len(everything)


def test_a_key_that_is_too_long_is_a_400_and_a_strange_one_is_a_key():
    assert post(lines(1), **{"Idempotency-Key": "k" * 256}).status_code == 400
    assert queued() == []
    for _ in range(2):
        assert post(lines(1), **{"Idempotency-Key": '"\udcff\xe9"'}).status_code == 202
    assert len({parcel.id for parcel in queued()}) == 1


@pytest.mark.django_db(transaction=True, databases=["default", "direct"])
@pytest.mark.parametrize("packed", [False, True])
def test_the_same_body_with_the_same_key_is_answered_twice_and_booked_once(queue, settings, packed):
    settings.INGEST_BATCH_SIZE = 2
    body = lines(3) + b"!AIVDM,1,1,,A,x,0*00\n"
    headers = {"Idempotency-Key": "8e03978e-40d5-43dd-bc93-6894a57f9324"}
    answers = [post(body, **headers)]
    if packed:
        answers.append(post(gzip.compress(body), **headers | {"Content-Encoding": "gzip"}))
    else:
        answers.append(post(body, **headers))
    assert [answer.status_code for answer in answers] == [202, 202]
    assert answers[0].json() == answers[1].json()
    assert work(queue) == 4
    booked = account(Q())
    assert (booked.lines, booked.messages, booked.stored, booked.duplicate) == (4, 3, 3, 0)
    assert violations(booked) == []


@pytest.mark.django_db(transaction=True, databases=["default", "direct"])
def test_what_a_queue_had_taken_before_it_timed_out_is_booked_once_by_its_key(queue, settings, tmp_path, monkeypatch):
    settings.SPOOL_DIR, settings.SPOOL_MAX_BYTES = tmp_path / "spool", 1  # neither takes it, as far as anybody knows
    add = drain.add

    def late(*args):
        add(*args)
        raise redis.TimeoutError("no answer")

    headers = {"Idempotency-Key": "monday-1"}
    monkeypatch.setattr(drain, "add", late)
    assert post(lines(3), **headers).status_code == 503
    monkeypatch.setattr(drain, "add", add)
    assert post(lines(3), **headers).status_code == 202
    assert work(queue) == 2
    booked = account(Q())
    assert (booked.messages, booked.stored, booked.duplicate, violations(booked)) == (3, 3, 0, [])


# --- outages ----------------------------------------------------------------------------------------------------------
def test_a_queue_that_takes_nothing_and_a_full_spool_are_a_503_and_keep_nothing(queue, settings, tmp_path):
    settings.INGEST_BATCH_SIZE = 10
    settings.SPOOL_DIR, settings.SPOOL_MAX_BYTES = tmp_path / "spool", 1000
    limit = queue.config_get("maxmemory")["maxmemory"]
    queue.config_set("maxmemory", "1")
    try:
        response = post(lines(25))
    finally:
        queue.config_set("maxmemory", limit)
    assert response.status_code == 503
    assert int(response["Retry-After"]) > 0
    assert "send it again" in response.json()["detail"]
    assert (queued(), get_spool().depth().entries) == ([], 0)


def test_a_key_that_nobody_can_verify_is_a_503(monkeypatch):
    def away(*args):
        raise redis.ConnectionError("refused")

    monkeypatch.setattr(receivers, "admit", away)
    response = post(lines(1))
    assert (response.status_code, response["Retry-After"]) == (503, "5")


# --- to the end -------------------------------------------------------------------------------------------------------
@pytest.mark.django_db(transaction=True, databases=["default", "direct"])
def test_what_was_pushed_is_stored_and_accounted_for(queue):
    assert post(lines(3) + b"!AIVDM,1,1,,A,x,0*00\n").status_code == 202
    assert work(queue) == 1
    booked = account(Q())
    assert (Vessel.objects.count(), VesselPosition.objects.count()) == (3, 3)
    assert (booked.lines, booked.stored, violations(booked)) == (4, 3, [])
    assert StreamsBroker().depths()["live"].waiting == 1
