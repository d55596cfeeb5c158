"""Receivers post to us: with the right key only, whole or not at all, also while PostgreSQL is away.

Tests without a database are proof: pytest-django makes every query in them an error.
"""

import base64
import gzip
import io
import json
import random

import pytest
import redis
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission, User
from django.db.models import Q
from django.test import Client
from django.urls import reverse
from django_q.signing import SignedPackage
from django_redis import get_redis_connection

from ingest import tasks
from ingest.acceptance.package import unpack
from ingest.ledger.accounts import account, violations
from ingest.models import Feed
from ingest.push import body as push_body
from ingest.push import receivers
from ingest.push.view import to_batches
from resilience.queue.broker import StreamsBroker
from resilience.queue.streams import Streams
from resilience.spool import drain
from resilience.spool.spool import get_spool
from tests.support.messages import position, sentences
from tracking.models import Vessel, VesselPosition

KEY = "correct-horse-battery-staple"
URL = "/api/push/pier/"


def feed(**fields):
    values = {"name": "Pier", "url": "push://", "source": "pier", "key_hash": receivers.hashed(KEY)}
    return Feed(**values | fields)


@pytest.fixture(autouse=True)
def queue():
    """The queue's Redis with the copy of one feed in it, and nothing else."""
    client = get_redis_connection("queue")
    client.flushdb()
    receivers._known.forget()
    receivers.copy([feed()])
    yield client
    client.flushdb()


def post(body, key=KEY, url=URL, content_type="text/plain", **headers):
    headers = {"Authorization": f"Bearer {key}"} | headers if key else headers
    return Client(enforce_csrf_checks=True).post(url, body, content_type=content_type, headers=headers)


def queued():
    """The batches on the queue, oldest first."""
    stream = Streams(get_redis_connection("queue"), "tracking").key("live")
    return [
        unpack(SignedPackage.loads(fields[b"t"].decode())["args"][0])
        for _, fields in get_redis_connection("queue").xrange(stream)
    ]


def work(queue):
    """Run every task once, as a worker would; how many."""
    found = queue.xrange(Streams(queue, "tracking").key("live"))
    for _, fields in found:
        tasks.process_batch(*SignedPackage.loads(fields[b"t"].decode())["args"])
    return len(found)


def lines(count, **fields):
    return b"".join(position(mmsi=211000000 + number, **fields) + b"\r\n" for number in range(count))


def catcher(*msgs, **fields):
    """A document as AIS-catcher posts it."""
    head = {"protocol": "jsonaiscatcher", "encodetime": "20260101120100", "stationid": "Pier"}
    about = {"receiver": {"description": "AIS-catcher v0.66", "version": 66}, "device": {"product": "RTLSDR"}}
    return json.dumps(head | about | fields | {"msgs": list(msgs)})


def entry(*nmea, rxtime="20260101120000", **fields):
    values = {"class": "AIS", "device": "AIS-catcher", "rxtime": rxtime, "channel": "A", "type": 1, "mmsi": 1}
    return values | {"nmea": [line.decode() for line in nmea]} | fields


# --- who may ----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "headers",
    [
        {"Authorization": f"Bearer {KEY}"},
        {"Authorization": f"Token {KEY}"},
        {"Authorization": f"bearer  {KEY} "},
        {"X-Api-Key": KEY},
        {"Authorization": "Basic " + base64.b64encode(f"station:{KEY}".encode()).decode()},
    ],
)
def test_the_key_is_taken_wherever_a_receiver_can_put_it(headers):
    assert post(lines(1), key=None, **headers).status_code == 202


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": "Bearer wrong"},
        {"Authorization": "Bearer"},
        {"Authorization": "Basic %%%"},
        {"Authorization": "Basic " + base64.b64encode(KEY.encode()).decode()},
        {"X-Api-Key": receivers.hashed(KEY)},
        {"X-Api-Key": "\udcff\udcfe"},
    ],
)
def test_without_the_right_key_nothing_is_kept_and_nothing_is_said(headers):
    refused = post(lines(1), key=None, **headers)
    unknown = post(lines(1), key=None, url="/api/push/nowhere/", **headers)
    assert refused.status_code == unknown.status_code == 401
    assert refused.content == unknown.content
    assert refused["WWW-Authenticate"] == unknown["WWW-Authenticate"] == 'Bearer realm="push"'
    assert queued() == []


def test_the_key_of_another_feed_is_not_the_key():
    receivers.copy([feed(), feed(source="quay", key_hash=receivers.hashed("other"))])
    assert post(lines(1), key="other").status_code == 401
    assert post(lines(1), key="other", url="/api/push/quay/").status_code == 202


def test_a_feed_without_a_key_lets_nobody_in():
    receivers.copy([feed(key_hash="")])
    assert post(lines(1), key="").status_code == post(lines(1), key="0" * 64).status_code == 401


def test_a_disabled_feed_says_so_to_its_own_receiver_only():
    receivers.copy([feed(enabled=False)])
    assert post(lines(1)).status_code == 403
    assert post(lines(1), key="wrong").status_code == 401


def test_only_posting_is_possible():
    assert Client().get(URL, headers={"X-Api-Key": KEY}).status_code == 405


# --- what it takes ----------------------------------------------------------------------------------------------------
def test_lines_become_a_live_batch_of_the_feed():
    response = post(lines(3) + b"garbage\r\n!AIVDM,1,1,,A,x,0*00\r\n")
    assert response.status_code == 202
    assert response.json() == {"lines": 5, "messages": 3, "malformed": {"checksum_wrong": 1}}
    (batch,) = queued()
    assert (batch.source, batch.format, batch.trust, batch.recorded, batch.live) == ("pier", "nmea", 80, False, True)
    assert (batch.counts.lines, batch.counts.foreign, batch.counts.sentences) == (5, 1, 3)
    assert batch.messages[0].received_at == batch.accepted_at


def test_the_sentences_of_a_message_are_joined_within_a_request_only():
    first, second = sentences(type=5, mmsi=244660123, shipname="NOORDZEE", seq_id=3)
    assert post(first + b"\n" + second).json() == {"lines": 2, "messages": 1, "malformed": {}}
    for part in (first, second):
        assert post(part).json() == {"lines": 1, "messages": 0, "malformed": {"group_incomplete": 1}}


def test_much_becomes_several_batches_with_every_line_in_one_of_them(settings):
    settings.INGEST_BATCH_SIZE = 10
    answer = post(lines(25)).json()
    batches = queued()
    assert answer["messages"] == 25
    assert [len(batch.messages) for batch in batches] == [10, 10, 5]
    assert sum(batch.counts.lines for batch in batches) == 25
    assert len({batch.run for batch in batches}) == 1


def test_an_empty_body_is_accepted_and_makes_no_batch():
    assert post(b"", **{"Content-Length": "0"}).json() == {"lines": 0, "messages": 0, "malformed": {}}
    assert post(catcher(), content_type="application/json").json()["lines"] == 0
    assert queued() == []


def test_what_ais_catcher_posts_is_heard_at_its_rxtime():
    first, second = sentences(type=5, mmsi=244660123, shipname="NOORDZEE", seq_id=3)
    body = catcher(
        entry(position(), rxtime="20260101120000"),
        entry(first, second, rxtime="20260101120001"),
        entry(position(), rxuxtime=1767268802.25),
        entry(position(), rxtime="20261399000000"),
    )
    assert post(body, content_type="application/json").json() == {"lines": 5, "messages": 4, "malformed": {}}
    (batch,) = queued()
    noon = 1767268800_000
    assert [message.received_at for message in batch.messages] == [noon, noon + 1000, noon + 2250, batch.accepted_at]
    assert batch.messages[1].raw == first + b"\n" + second
    assert batch.counts.remarks == {"rxtime_missing": 1}


def test_every_entry_of_ais_catcher_is_accounted_for():
    first, second = sentences(type=5, mmsi=244660123, shipname="NOORDZEE", seq_id=3)
    broken = position()[:-1] + b"x"
    body = catcher(entry(), entry(first), entry(second), entry(broken), entry(b"$GPTXT"), 7, {"nmea": 1}, {"mmsi": 1})
    answer = post(body, content_type="application/json").json()
    reasons = {"nmea_missing": 2, "group_incomplete": 2, "checksum_missing": 1, "entry_broken": 2}
    assert answer == {"lines": 8, "messages": 0, "malformed": reasons}
    (batch,) = queued()
    assert (batch.counts.foreign, batch.counts.sentences) == (1, 0)


def test_a_line_feed_inside_a_sentence_makes_no_message_of_two():
    sneaky = position() + b"\n" + position()
    answer = post(catcher(entry(sneaky), entry(b"!AIVDM,1,1,,A,\n,0*26")), content_type="application/json").json()
    assert (answer["lines"], answer["messages"]) == (4, 2)
    assert all(b"\n" not in message.raw for message in queued()[0].messages)


def test_lines_that_ais_catcher_calls_json_are_lines():
    assert post(lines(2), content_type="application/json").json()["messages"] == 2


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ('{"protocol": "jsonaiscatcher", "msgs": [', "no JSON document of AIS-catcher"),
        ('{"protocol": "jsonais", "msgs": []}', "'jsonais'"),
        (b'{"protocol": "\xff", "msgs": []}', "no JSON document of AIS-catcher"),
    ],
)
def test_a_document_of_another_kind_is_a_400(body, said):
    response = post(body, content_type="application/json")
    assert response.status_code == 400
    assert said in response.json()["detail"]
    assert queued() == []


# --- packed, too large, cut off ---------------------------------------------------------------------------------------
@pytest.mark.parametrize("encoding", ["gzip", "x-gzip", "GZIP"])
def test_gzip_is_unpacked_in_any_number_of_members(encoding):
    packed = gzip.compress(lines(2)) + gzip.compress(lines(1))
    assert post(packed, **{"Content-Encoding": encoding}).json()["messages"] == 3


def test_a_bomb_is_refused_without_being_unpacked(monkeypatch):
    packed = gzip.compress(bytes(64 * 1024 * 1024), 9)
    unpacked = []
    check = push_body._check_expansion
    monkeypatch.setattr(push_body, "_check_expansion", lambda *sizes: (unpacked.append(sizes[1]), check(*sizes)))
    assert len(packed) < push_body.MAX_BYTES
    response = post(packed, **{"Content-Encoding": "gzip"})
    assert response.status_code == 413
    assert "200 times" in response.json()["detail"]
    assert unpacked[-1] <= push_body.MAX_BYTES + push_body.READ_BYTES
    assert queued() == []


def test_more_than_the_unpacked_limit_is_refused(monkeypatch):
    monkeypatch.setattr(push_body, "MAX_EXPANDED_BYTES", 1000)
    response = post(gzip.compress(lines(100)), **{"Content-Encoding": "gzip"})
    assert (response.status_code, queued()) == (413, [])


def test_more_than_the_limit_as_sent_is_refused_unread():
    response = post(b"x" * (push_body.MAX_BYTES + 1))
    assert response.status_code == 413
    assert str(push_body.MAX_BYTES) in response.json()["detail"]


@pytest.mark.parametrize("body", [gzip.compress(lines(50))[:-9], gzip.compress(lines(5)) + b"rest", b"no gzip"])
def test_a_damaged_gzip_body_is_a_400_and_nothing_is_kept(body):
    assert (post(body, **{"Content-Encoding": "gzip"}).status_code, queued()) == (400, [])


def test_a_body_shorter_than_it_says_is_a_400():
    client = Client()
    headers = {"X-Api-Key": KEY, "Content-Length": "5000"}
    cut = {"wsgi.input": io.BytesIO(lines(1))}
    response = client.generic("POST", URL, content_type="text/plain", headers=headers, **cut)
    assert (response.status_code, queued()) == (400, [])


@pytest.mark.parametrize(("length", "status"), [("", 411), ("-1", 400), ("9" * 5000, 400), ("1e3", 400)])
def test_a_length_that_is_none_is_refused(length, status):
    response = Client().generic("POST", URL, b"", headers={"X-Api-Key": KEY, "Content-Length": length})
    assert response.status_code == status


@pytest.mark.parametrize(
    ("content_type", "encoding"),
    [
        ("multipart/form-data; boundary=x", ""),
        ("text/plain", "br"),
        ("text/plain", "gzip, gzip"),
    ],
)
def test_other_types_and_encodings_are_a_415_that_names_the_right_ones(content_type, encoding):
    response = post(lines(1), content_type=content_type, **{"Content-Encoding": encoding})
    assert response.status_code == 415
    assert "Send" in response.json()["detail"]
    assert queued() == []


def test_any_accept_header_gets_json():
    assert post(lines(1), Accept="text/html").status_code == 202


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


# --- to the end -------------------------------------------------------------------------------------------------------
@pytest.mark.django_db(transaction=True, databases=["default", "direct"])
def test_what_was_pushed_is_stored_and_accounted_for(queue):
    assert post(lines(3) + b"!AIVDM,1,1,,A,x,0*00\n").status_code == 202
    assert work(queue) == 1
    booked = account(Q())
    assert (Vessel.objects.count(), VesselPosition.objects.count()) == (3, 3)
    assert (booked.lines, booked.stored, violations(booked)) == (4, 3, [])
    assert StreamsBroker().depths()["live"].waiting == 1


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


DIGITS = bytes(random.Random(1).choices(b"0123456789", k=2_100_000))  # a body that packs as badly as a real one
NUMBERS = b'{"protocol":"jsonaiscatcher","msgs":[' + b",".join(bytes([digit]) for digit in DIGITS) + b"]}"


@pytest.mark.parametrize("body", [b"\n" * 300_000, NUMBERS], ids=["lines", "values"])
def test_a_body_of_too_many_lines_or_values_is_refused_before_it_is_read(body):
    feed()
    packed = gzip.compress(body)
    response = post(packed, **{"Content-Encoding": "gzip"})
    assert response.status_code == 413
    assert "send less at a time" in response.json()["detail"]
