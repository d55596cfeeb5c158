"""Whatever is sent to the API is answered in JSON, and never with a 500."""

import base64
from typing import Any

import pytest

from tests.support.keys import header, make_key

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("live_redis")]

LISTS = ["vessels", "aircraft", "stations", "feeds", "dead-letters", "dead-letter-jobs"]
CURSORS = [
    *["p=abc", "p=%00", "p=0001-01-01T00:00:00%2B23:59", "p=9999-12-31T23:59:59-23:59", "p=" + "9" * 5000],
    *["p=99999999999999999999", "o=" + "9" * 5000, "o=-1", "r=1&p=", "p=2026-01-01T00:00:00+99:99"],
]
INSTANTS = ["0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59", "2026-01-01T00:00:00+15:59:59", "\0", "9" * 400]


@pytest.fixture
def headers(admin_user: Any) -> dict[str, str]:
    return {"HTTP_AUTHORIZATION": header(make_key(admin_user))}


@pytest.mark.parametrize("path", LISTS)
@pytest.mark.parametrize("text", CURSORS)
def test_a_forged_cursor_is_no_fault_of_the_server(client, headers, path, text):
    client.raise_request_exception = False
    cursor = base64.b64encode(text.encode()).decode()
    response = client.get(f"/api/{path}/", {"cursor": cursor}, **headers)
    assert response.status_code < 500
    assert response["Content-Type"] == "application/json"


@pytest.mark.parametrize("text", INSTANTS)
@pytest.mark.parametrize("name", ["last_seen_after", "last_seen_before"])
def test_an_instant_beyond_the_calendar_is_no_fault_of_the_server(client, headers, name, text):
    client.raise_request_exception = False
    response = client.get("/api/vessels/", {name: text}, **headers)
    assert response.status_code < 500
    assert response["Content-Type"] == "application/json"


@pytest.mark.parametrize(
    "body",
    [
        b"[" * 100_000,
        b'{"filter":' * 100_000,
        b'{"filter":{"\\ud800":"x"}}',
        b"\xff\xfe",
        b'{"filter":{"\\u0000":"\\u0000"}}',
    ],
    ids=["brackets", "objects", "surrogate", "encoding", "NUL"],
)
def test_a_body_that_is_no_sound_json_is_a_400(client, headers, body):
    client.raise_request_exception = False
    response = client.post("/api/dead-letters/retry/", body, content_type="application/json", **headers)
    assert response.status_code == 400
    assert response["Content-Type"] == "application/json"


@pytest.mark.parametrize("path", [*LISTS, "live/vessels", "dead-letters/groups"])
def test_an_unknown_parameter_is_refused(client, headers, path):
    response = client.get(f"/api/{path}/", {"no_such": "1"}, **headers)
    assert response.status_code == 400
    assert "no_such" in response.json()


@pytest.mark.parametrize("method", ["get", "post", "put", "delete"])
def test_an_address_that_leads_nowhere_is_a_404_in_json_by_any_method(client, method):
    response = getattr(client, method)("/api/nowhere/")
    assert (response.status_code, response["Content-Type"]) == (404, "application/json")


def test_a_wrong_host_is_told_in_json_below_api(client):
    response = client.get("/api/vessels/", HTTP_HOST="evil.example")
    assert (response.status_code, response["Content-Type"]) == (400, "application/json")


def test_a_fault_of_ours_is_a_500_in_json(client, headers, monkeypatch):
    monkeypatch.setattr("tracking.api.views.VesselViewSet.filter_queryset", lambda *_: 1 / 0)
    response = client.get("/api/vessels/", **headers)
    assert (response.status_code, response["Content-Type"]) == (500, "application/json")
    assert set(response.json()) == {"detail"}
