"""Live targets over the API: from Redis alone, and what is said when it is away."""

from typing import Any

import pytest
from django.test import Client
from django_redis import get_redis_connection
from redis import Redis

from tracking.connections import redis_pool_options
from tracking.live.mirror import Mirror
from tracking.live.state import LiveKind, LiveState, LiveUpdate
from tracking.live_api import changes
from tracking.live_api.live import answers

pytestmark = pytest.mark.usefixtures("live_redis")

PATHS = {LiveKind.VESSEL: "vessels", LiveKind.AIRCRAFT: "aircraft", LiveKind.STATION: "stations"}


@pytest.fixture(autouse=True)
def no_kept_answers() -> None:
    answers.clear()


@pytest.fixture
def public(settings: Any) -> None:
    settings.LIVE_PUBLIC = True


def write(redis: Redis, kind: LiveKind, **places: tuple[float, float]) -> None:
    """Targets at (latitude, longitude), heard now by the server's clock."""
    now = float(redis.time()[0])
    updates = [LiveUpdate(key, now, *place, {"score": 75}, static={"name": "STAR"}) for key, place in places.items()]
    assert LiveState(kind).write(updates).written == len(places)


def ids(response: Any) -> set[str]:
    assert response.status_code == 200, response.content
    return {document["id"] for document in response.json()["results"]}


@pytest.mark.usefixtures("public")
@pytest.mark.parametrize("kind", LiveKind)
def test_live_targets_leave_as_they_are_kept(client, live_redis, kind):
    write(live_redis, kind, x1=(54.5, 10.25))
    body = client.get(f"/api/live/{PATHS[kind]}/").json()
    assert (body["count"], body["truncated"]) == (1, False)
    assert body["results"] == [LiveState(kind).get("x1")]
    assert body["results"][0]["lat"] == 54.5 and body["results"][0]["name"] == "STAR"


@pytest.mark.usefixtures("public")
def test_a_box_holds_what_lies_in_it_and_may_cross_the_antimeridian(client, live_redis):
    write(live_redis, LiveKind.VESSEL, kiel=(54.3, 10.1), fiji=(-18, 179.5), samoa=(-14, -172), pole=(89, 0))
    assert ids(client.get("/api/live/vessels/")) == {"kiel", "fiji", "samoa", "pole"}
    assert ids(client.get("/api/live/vessels/?bbox=9,54,11,55")) == {"kiel"}
    assert ids(client.get("/api/live/vessels/?bbox=170,-30,-170,0")) == {"fiji", "samoa"}


@pytest.mark.usefixtures("public")
def test_a_limit_cuts_and_says_so(client, live_redis):
    write(live_redis, LiveKind.VESSEL, a=(1, 1), b=(2, 2), c=(3, 3))
    body = client.get("/api/live/vessels/?limit=2").json()
    assert (body["count"], body["truncated"], len(body["results"])) == (2, True, 2)
    assert client.get("/api/live/vessels/?limit=3").json()["truncated"] is False


@pytest.mark.usefixtures("public")
@pytest.mark.parametrize(
    ("query", "parameter", "text"),
    [
        ("bbox=1,2,3", "bbox", "four numbers"),
        ("bbox=a,b,c,d", "bbox", "four numbers"),
        ("bbox=,,,", "bbox", "four numbers"),
        ("bbox=0,60,10,50", "bbox", "south not above north"),
        ("bbox=0,-91,10,50", "bbox", "-90 to 90"),
        ("bbox=0,nan,10,50", "bbox", "-90 to 90"),
        ("bbox=-181,0,10,50", "bbox", "-180 to 180"),
        ("bbox=0,0,inf,50", "bbox", "-180 to 180"),
        ("limit=0", "limit", "greater than or equal to 1"),
        ("limit=20001", "limit", "less than or equal to 20000"),
        ("limit=many", "limit", "valid integer"),
    ],
)
def test_a_wrong_box_or_limit_is_a_400_that_says_what_is_allowed(client, query, parameter, text):
    response = client.get(f"/api/live/vessels/?{query}")
    assert response.status_code == 400
    assert text in response.json()[parameter][0]


@pytest.mark.usefixtures("public")
@pytest.mark.parametrize(
    "query",
    ["bbox=1,2,3", "bbox=0,60,10,50", "kinds=vessel,whale", "since=yesterday", "since=", f"since={'1' * 50}", "deep=1"],
)
def test_changes_of_a_wrong_box_cursor_or_kind_are_a_400(client, query):
    response = client.get(f"/api/live/changes/?{query}")
    assert response.status_code == 400
    assert list(response.json()) == [query.partition("=")[0]]


@pytest.mark.usefixtures("public")
def test_blanks_around_a_cursor_say_nothing(client, monkeypatch):
    monkeypatch.setattr(changes, "mirror", Mirror())  # the process's own must not have read just now for other tests
    cursor = client.get("/api/live/changes/").json()["next"]
    assert client.get("/api/live/changes/", {"since": f" {cursor} "}).json()["reset"] is False


@pytest.mark.usefixtures("public")
@pytest.mark.django_db
@pytest.mark.parametrize("path", PATHS.values())
def test_public_live_state_never_asks_the_database_even_with_a_session(
    client, admin_user, path, django_assert_num_queries
):
    client.force_login(admin_user)
    with django_assert_num_queries(0):
        assert client.get(f"/api/live/{path}/", HTTP_AUTHORIZATION="Token nonsense").status_code == 200


@pytest.mark.usefixtures("public")
def test_public_live_state_serves_where_there_is_no_database_at_all(live_redis):
    # No django_db mark: pytest-django fails whatever connects.
    write(live_redis, LiveKind.VESSEL, a=(1, 1))
    client = Client(HTTP_COOKIE="sessionid=abcdefghijklmnopqrstuvwxyz012345")
    assert ids(client.get("/api/live/vessels/")) == {"a"}


@pytest.mark.django_db
def test_live_state_that_is_not_public_wants_a_user(client, admin_user):
    assert client.get("/api/live/vessels/").status_code == 401
    client.force_login(admin_user)
    assert client.get("/api/live/vessels/").status_code == 200


@pytest.mark.usefixtures("public")
@pytest.mark.parametrize("path", [*PATHS.values(), "changes"])
def test_without_live_redis_the_answer_is_a_503_that_says_when_to_come_again(client, settings, path):
    url = "redis://127.0.0.1:1/0"
    options = {"CONNECTION_POOL_KWARGS": redis_pool_options(url, settings.DATA_DIR)}
    cache = {"BACKEND": "django_redis.cache.RedisCache", "LOCATION": url, "OPTIONS": options}
    settings.CACHES = settings.CACHES | {"default": cache, "live": cache}
    response = client.get(f"/api/live/{path}/")
    assert response.status_code == 503
    assert response["Retry-After"] == "5"
    assert response.json() == {
        "detail": "Live state is not available at the moment; positions are stored all the same."
    }


@pytest.mark.usefixtures("public")
def test_a_redis_without_redisjson_is_a_503_too(client, settings, live_redis):
    write(live_redis, LiveKind.VESSEL, a=(1, 1))
    settings.CACHES = settings.CACHES | {"live": settings.CACHES["queue"]}
    # A geo set that Redis without RedisJSON can search, but no documents.
    queue = get_redis_connection("queue")
    queue.geoadd(LiveState(LiveKind.VESSEL).geo, (1.0, 1.0, "a"))
    try:
        assert client.get("/api/live/vessels/").status_code == 503
    finally:
        queue.delete(LiveState(LiveKind.VESSEL).geo)
