"""The circuit breakers in the admin, with their states in a real Redis."""

import socket
from collections.abc import Iterator
from copy import deepcopy

import pytest
from django.conf import LazySettings
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission, User
from django.contrib.messages import get_messages
from django.db import OperationalError
from django.test import Client

from resilience.breaker import registry as breakers
from resilience.breaker.registry import Phase, get_breaker
from tests.support.letters import forget_breakers
from tracking.connections import redis_pool_options

pytestmark = pytest.mark.django_db
LIST = "/admin/resilience/switchboard/"


@pytest.fixture(autouse=True)
def closed_breakers() -> Iterator[None]:
    forget_breakers()
    yield
    forget_breakers()


def client_with(*codenames: str) -> Client:
    user = User.objects.create_user("clerk", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=codenames))
    client = Client()
    client.force_login(user)
    return client


@pytest.fixture
def client() -> Client:
    return client_with("view_breaker", "operate_breaker")


@pytest.fixture
def redis_away(settings: LazySettings) -> Iterator[None]:
    """The queue's Redis is where nobody listens: a port that this test holds and refuses on."""
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        url = f"redis://127.0.0.1:{closed.getsockname()[1]}/0"
        caches = deepcopy(settings.CACHES)
        caches["queue"]["LOCATION"] = url
        caches["queue"]["OPTIONS"]["CONNECTION_POOL_KWARGS"] = redis_pool_options(url, settings.DATA_DIR)
        settings.CACHES = caches
        breakers._shared_breaker.cache_clear()
        yield
    breakers._shared_breaker.cache_clear()


def phase(name: str) -> Phase:
    return get_breaker(name).snapshot().state.phase


def test_breakers_that_nobody_has_used_are_listed_as_closed(client: Client) -> None:
    shown = client.get(LIST).context["breakers"]
    assert [(breaker.name, breaker.state) for breaker in shown] == [("database", "closed"), ("live", "closed")]


def test_a_breaker_that_was_used_is_listed_too(client: Client) -> None:
    get_breaker("feed:7").trip("ada", "noise")
    assert [breaker.name for breaker in client.get(LIST).context["breakers"]] == ["database", "feed:7", "live"]


def test_the_page_counts_failures_rejections_and_seconds_to_the_next_try(client: Client) -> None:
    breaker = get_breaker("database")
    for _ in range(5):
        with pytest.raises(OperationalError), breaker.guard():
            raise OperationalError("no route to host")
    with pytest.raises(breakers.CircuitOpen), breaker.guard():
        pytest.fail("the call was made")
    database = client.get(LIST).context["breakers"][0]
    numbers = dict(database.numbers)
    assert database.state == "open"
    assert (numbers["Failures"], numbers["Times opened"], numbers["Calls rejected"]) == ("5 of 5", "1", "1")
    assert numbers["Retry after"] in ("30 s", "29 s")
    assert database.transitions[0][1] == "closed → open"


def test_tripping_asks_for_a_reason_and_is_logged(client: Client) -> None:
    assert client.get(f"{LIST}database/trip/").status_code == 200
    assert phase("database") is Phase.CLOSED
    assert b"This field is required" in client.post(f"{LIST}database/trip/", {"reason": " "}).content
    assert phase("database") is Phase.CLOSED
    response = client.post(f"{LIST}database/trip/", {"reason": "upgrade of PostgreSQL"})
    assert [str(message) for message in get_messages(response.wsgi_request)] == ["database is forced open."]
    assert phase("database") is Phase.FORCED_OPEN
    entry = LogEntry.objects.get()
    assert (entry.object_id, entry.change_message) == ("database", "Trip: upgrade of PostgreSQL")
    assert client.get(entry.get_admin_url()).status_code == 200


def test_resetting_asks_for_a_reason_and_is_logged(client: Client) -> None:
    get_breaker("live").trip("ada", "noise")
    client.post(f"{LIST}live/reset/", {"reason": "over"})
    assert phase("live") is Phase.CLOSED
    rows = client.get(f"{LIST}live/").context["breakers"][0].transitions
    assert [row[2] for row in rows] == ["reset by clerk: over", "tripped by ada: noise"]
    assert LogEntry.objects.get().change_message == "Reset: over"


def test_the_list_shows_five_transitions_and_the_page_of_a_breaker_all(client: Client) -> None:
    for number in range(8):
        get_breaker("live").trip("ada", f"test {number}")
    assert len(client.get(LIST).context["breakers"][1].transitions) == 5
    assert len(client.get(f"{LIST}live/").context["breakers"][0].transitions) == 8


def test_a_reason_is_escaped(client: Client) -> None:
    get_breaker("live").trip("ada", "<script>alert(1)</script>")
    html = client.get(LIST).content.decode()
    assert "<script>alert(1)" not in html
    assert "&lt;script&gt;alert(1)" in html


@pytest.mark.parametrize("ending", ["", "trip/", "reset/"])
def test_a_name_in_the_address_makes_no_breaker(client: Client, ending: str) -> None:
    assert client.get(f"{LIST}typo/{ending}").status_code == 404
    assert client.post(f"{LIST}typo/{ending}", {"reason": "x"}).status_code == 404
    assert "typo" not in [snapshot.name for snapshot in breakers.all_snapshots()]


def test_whoever_may_only_look_finds_no_buttons_and_no_way() -> None:
    client = client_with("view_breaker")
    assert "/trip/" not in client.get(LIST).content.decode()
    assert client.post(f"{LIST}database/trip/", {"reason": "x"}).status_code == 403
    assert phase("database") is Phase.CLOSED


def test_without_the_permission_nobody_looks() -> None:
    client = client_with("view_deadletter")
    assert client.get(LIST).status_code == 403
    assert client.get(f"{LIST}database/").status_code == 403
    assert LIST not in client.get("/admin/").content.decode()


def test_whoever_may_look_finds_the_breakers_on_the_front_page(client: Client) -> None:
    assert LIST in client.get("/admin/").content.decode()


def test_a_form_of_another_site_trips_nothing(client: Client) -> None:
    strict = Client(enforce_csrf_checks=True)
    strict.cookies = client.cookies
    assert strict.post(f"{LIST}database/trip/", {"reason": "x"}).status_code == 403
    assert phase("database") is Phase.CLOSED


@pytest.mark.usefixtures("redis_away")
def test_without_redis_the_page_says_so_and_offers_no_button(client: Client) -> None:
    html = client.get(LIST).content.decode()
    assert "The queue's Redis does not answer" in html
    assert "database" in html
    assert "/trip/" not in html


@pytest.mark.usefixtures("redis_away")
def test_without_redis_nothing_is_tripped(client: Client) -> None:
    response = client.post(f"{LIST}database/trip/", {"reason": "x"})
    assert "does not answer" in str(next(iter(get_messages(response.wsgi_request))))
    assert not LogEntry.objects.exists()
