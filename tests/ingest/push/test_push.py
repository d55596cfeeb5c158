"""Receivers post to us: with the right key only, whole or not at all, also while PostgreSQL is away.

Tests without a database are proof: pytest-django makes every query in them an error.
"""

import base64
import gzip
import io
import json
import random

import pytest
from django.test import Client

from ingest.push import body as push_body
from ingest.push import receivers
from tests.support.messages import position, sentences
from tests.support.pushing import KEY, URL, feed, lines, post, queued


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


DIGITS = bytes(random.Random(1).choices(b"0123456789", k=2_100_000))  # a body that packs as badly as a real one
NUMBERS = b'{"protocol":"jsonaiscatcher","msgs":[' + b",".join(bytes([digit]) for digit in DIGITS) + b"]}"


@pytest.mark.parametrize("body", [b"\n" * 300_000, NUMBERS], ids=["lines", "values"])
def test_a_body_of_too_many_lines_or_values_is_refused_before_it_is_read(body):
    feed()
    packed = gzip.compress(body)
    response = post(packed, **{"Content-Encoding": "gzip"})
    assert response.status_code == 413
    assert "send less at a time" in response.json()["detail"]
