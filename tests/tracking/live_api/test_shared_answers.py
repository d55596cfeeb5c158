"""Live boxes are made once for many clients, are a second old at most, and leave compressed."""

import gzip
import json
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django_redis import get_redis_connection
from drf_spectacular.generators import SchemaGenerator

from tests.tracking.live_api.test_live_api import write
from tracking.api import schema
from tracking.live.state import LiveKind, LiveState
from tracking.live_api.live import answers
from tracking.live_api.shared import MAX_AGE_SECONDS, Shared

WORLD = "/api/live/vessels/"
EVERYWHERE = (-180.0, -90.0, 180.0, 90.0)


@pytest.fixture(autouse=True)
def no_kept_answers() -> None:
    answers.clear()


@pytest.fixture
def public(settings: Any) -> None:
    settings.LIVE_PUBLIC = True


def test_fifty_clients_at_once_cause_one_answer():
    shared, release, made = Shared(), threading.Event(), []

    def make() -> bytes:
        made.append(1)
        release.wait(30)
        return b"{}"

    with ThreadPoolExecutor(50) as clients:
        asked = [clients.submit(shared.get, "world", make) for _ in range(50)]
        release.set()
        assert {answer.result().body for answer in asked} == {b"{}"}
    assert len(made) == 1


def test_an_answer_is_made_anew_after_a_second():
    now = [0.0]
    shared = Shared(clock=lambda: now[0])
    assert shared.get("a", lambda: b"1").body == b"1"
    now[0] = MAX_AGE_SECONDS - 0.001
    assert shared.get("a", lambda: b"2").body == b"1"
    now[0] = MAX_AGE_SECONDS
    assert shared.get("a", lambda: b"2").body == b"2"


def test_an_error_is_never_kept():
    shared = Shared()
    with pytest.raises(ZeroDivisionError):
        shared.get("a", lambda: bytes(1 // 0))
    assert shared.get("a", lambda: b"1").body == b"1"


def test_different_boxes_are_different_answers():
    shared = Shared()
    assert [shared.get(key, lambda key=key: key.encode()).body for key in "abcabc"] == [b"a", b"b", b"c"] * 2


def test_documents_leave_encoded_as_they_would_be_read(live_redis):
    write(live_redis, LiveKind.VESSEL, a=(1, 1), b=(2, 179.5), c=(89, 0))
    get_redis_connection("live").execute_command("JSON.DEL", "v2:vessel:a", "$.ages")
    encoded = LiveState(LiveKind.VESSEL).encoded_in_box(*EVERYWHERE, limit=10)
    key = lambda document: document["id"]  # noqa: E731
    assert sorted(map(json.loads, encoded), key=key) == sorted(LiveState(LiveKind.VESSEL).in_box(*EVERYWHERE), key=key)


@pytest.mark.usefixtures("public")
def test_a_large_box_leaves_by_gzip_only_where_the_client_takes_it(client, live_redis):
    write(live_redis, LiveKind.VESSEL, **{f"v{number}": (1, 1) for number in range(100)})
    plain = client.get(WORLD)
    zipped = client.get(WORLD, HTTP_ACCEPT_ENCODING="gzip, br")
    refused = client.get(WORLD, HTTP_ACCEPT_ENCODING="gzip;q=0")
    assert "Content-Encoding" not in plain and "Content-Encoding" not in refused
    assert zipped["Content-Encoding"] == "gzip"
    assert gzip.decompress(zipped.content) == plain.content == refused.content
    assert "Accept-Encoding" in zipped["Vary"]


@pytest.mark.usefixtures("public")
def test_who_has_the_answer_already_gets_a_304(client, live_redis):
    write(live_redis, LiveKind.VESSEL, a=(1, 1))
    first = client.get(WORLD)
    assert client.get(WORLD, HTTP_IF_NONE_MATCH=first["ETag"]).status_code == 304
    assert {"max-age=1", "public"} == set(first["Cache-Control"].split(", "))


@pytest.mark.django_db
def test_a_kept_answer_is_not_given_to_who_may_not_have_it(client, admin_user, live_redis, settings):
    settings.LIVE_PUBLIC = False
    client.force_login(admin_user)
    allowed = client.get(WORLD)
    assert allowed.status_code == 200 and "private" in allowed["Cache-Control"]
    assert {"Authorization", "Cookie"} <= set(allowed["Vary"].split(", "))
    client.logout()
    assert client.get(WORLD).status_code == 401


def test_who_has_the_schema_already_gets_a_304(client):
    first = client.get("/api/schema/")
    assert client.get("/api/schema/", HTTP_IF_NONE_MATCH=first["ETag"]).status_code == 304


def test_the_log_in_page_is_never_compressed(client):
    assert "Content-Encoding" not in client.get("/admin/login/", HTTP_ACCEPT_ENCODING="gzip")


def test_the_schema_is_generated_once_for_many_requests(client, monkeypatch):
    schema.document.cache_clear()
    made: list[int] = []
    real = SchemaGenerator.get_schema
    monkeypatch.setattr(SchemaGenerator, "get_schema", lambda *a, **k: made.append(1) or real(*a, **k))
    for _ in range(5):
        assert client.get("/api/schema/").status_code == 200
    assert len(made) == 1
