"""The status page: in time, true and without secrets, whichever server is killed or frozen."""

import json
import statistics
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.db import OperationalError, connections
from django.test import Client
from django_redis import get_redis_connection

from ingest.health import keys as health_keys
from ingest.health.shown import sections as ingest_status
from resilience.breaker.registry import CircuitOpen, get_breaker
from resilience.queue.streams import LIVE, Streams
from tests.support.own_servers import Servers, own_servers
from tests.support.patience import PATIENCE_SECONDS
from tracking import embedded
from tracking.connections import redis_pool_options
from tracking.status import survey
from tracking.status.inquiry import Inquiry
from tracking.web import networks

SECRET = "hunter2-marker"
SECTION = {"postgres": "postgresql", "queue": "queue", "live": "live"}
WITHIN_SECONDS = 0.5  # promised are 0.1, which the outage run measures: a test may share its machine


@pytest.fixture(scope="module")
def servers() -> Iterator[Servers]:
    with own_servers() as running:
        yield running


@pytest.fixture
def own(servers: Servers, settings: Any, monkeypatch: Any, db: None) -> Iterator[Servers]:
    """The servers that the page asks: up, the Redis ones empty. Other threads than ours see them as the database."""
    servers.mend()
    for alias in ("live", "queue"):
        url = embedded.redis_url(servers.data_dir, alias)
        options = {"CONNECTION_POOL_KWARGS": redis_pool_options(url, servers.data_dir)}
        cache = {"BACKEND": "django_redis.cache.RedisCache", "LOCATION": url, "OPTIONS": options}
        settings.CACHES = settings.CACHES | {alias: cache}
        get_redis_connection(alias).flushdb()
    settings.SPOOL_DIR = servers.data_dir / "spool"
    forget(monkeypatch)
    yield servers
    servers.mend()
    assert wait_until(lambda: not Inquiry._asking, PATIENCE_SECONDS), Inquiry._asking


@pytest.fixture
def own_database(own: Servers, monkeypatch: Any) -> Servers:
    """The same, and the database is that server too: it has no tables, which nobody minds but the dead letters."""
    address = {
        "HOST": str(embedded.postgres_sockets(own.data_dir)),
        "NAME": "postgres",
        "USER": "postgres",
        "PASSWORD": SECRET,
    }
    for name, value in address.items():
        monkeypatch.setitem(connections.settings["default"], name, value)
    return own


def forget(monkeypatch: Any) -> None:
    """Begin as a new process does."""
    monkeypatch.setattr(survey, "_memories", {})
    monkeypatch.setattr(ingest_status, "_known", ingest_status._FeedLabels())


def wait_until(condition: Callable[[], bool], seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def ask() -> dict[str, Any]:
    response = Client().get("/status?format=json")
    assert response.status_code == 200
    body: dict[str, Any] = response.json()
    return body


def section(name: str) -> dict[str, Any]:
    found: dict[str, Any] = ask()["sections"][name]
    return found


def ask_until_answered() -> dict[str, Any]:
    """The page once nothing is slow because the machine is busy."""
    bodies: list[dict[str, Any]] = []

    def all_answered() -> bool:
        bodies.append(ask())
        return all(found["answered"] for found in bodies[-1]["sections"].values())

    assert wait_until(all_answered, PATIENCE_SECONDS), bodies[-1]
    return bodies[-1]


def answered(name: str) -> dict[str, Any]:
    """A section as it is now: a slow one shows its latest answer of before."""
    found: dict[str, Any] = ask_until_answered()["sections"][name]
    return found


def test_all_is_well_when_everything_answers(own):
    body = ask_until_answered()
    assert body["status"] == "ok", body
    assert list(body["sections"]) == [
        "postgresql",
        "live",
        "feeds",
        "relays",
        "queue",
        "spool",
        "dead_letters",
        "breakers",
        "clocks",
    ]
    assert {found["state"] for found in body["sections"].values()} == {"ok"}
    page = Client().get("/status")
    assert page["Content-Type"].startswith("text/html")
    assert b"All is well" in page.content and b'http-equiv="refresh" content="5"' in page.content


def test_the_page_needs_nothing_else_and_is_never_cached(own):
    response = Client().get("/status")
    text = response.content.decode()
    assert [word for word in ("<script", "<link", "src=", "url(", "http:", "https:") if word in text] == []
    assert "no-store" in response["Cache-Control"] and "Cookie" not in response.get("Vary", "")
    assert not response.cookies


@pytest.mark.fault
@pytest.mark.parametrize("name", ["postgres", "queue", "live"])
def test_a_killed_server_is_told_at_once_and_its_return_too(own_database, name):
    servers, told = own_database, SECTION[name]
    ask_until_silent_only("dead_letters")
    servers.kill(name)
    seconds, states = [], []
    assert wait_until(lambda: section(told)["state"] == "down", PATIENCE_SECONDS)
    for _ in range(7):
        started = time.monotonic()
        body = ask()
        seconds.append(time.monotonic() - started)
        states.append(body["sections"][told]["state"])
    assert set(states) == {"down"}, states
    assert body["status"] == "degraded"
    assert body["sections"][told]["meaning"] and body["sections"][told]["age_seconds"] > 0
    others = {other for other in SECTION.values() if body["sections"][other]["state"] != "ok"}
    assert others == {told}
    assert statistics.median(seconds) < WITHIN_SECONDS, seconds
    servers.start()
    assert wait_until(lambda: section(told)["state"] == "ok", PATIENCE_SECONDS)


@pytest.mark.fault
@pytest.mark.parametrize("name", ["postgres", "queue", "live"])
def test_a_frozen_server_delays_nobody_and_is_told_by_its_silence(own_database, name):
    servers, told = own_database, SECTION[name]
    ask_until_silent_only("dead_letters")
    servers.freeze(name)
    seconds, found = [], {}
    deadline = time.monotonic() + PATIENCE_SECONDS
    while len(seconds) < 7 or found["state"] != "down":
        assert time.monotonic() < deadline, found
        started = time.monotonic()
        found = section(told)
        seconds.append(time.monotonic() - started)
        assert not found["answered"]
        time.sleep(0.1)
    assert found["summary"].startswith("no answer for ")
    assert statistics.median(seconds) < WITHIN_SECONDS, seconds
    assert found["age_seconds"] >= survey.SILENT_SECONDS
    assert {other for other in SECTION.values() if section(other)["state"] != "ok"} == {told}
    servers.thaw(name)
    assert wait_until(lambda: bool(section(told)["answered"]), PATIENCE_SECONDS)
    assert section(told)["state"] == "ok"


@pytest.mark.fault
def test_with_every_server_frozen_the_page_still_comes_in_time(own_database):
    for name in SECTION:
        own_database.freeze(name)
    seconds = []
    for _ in range(5):
        started = time.monotonic()
        assert Client().get("/status").status_code == 200
        seconds.append(time.monotonic() - started)
    assert statistics.median(seconds) < WITHIN_SECONDS, seconds


@pytest.mark.fault
def test_a_process_that_has_just_begun_alarms_nobody_before_it_knows(own, monkeypatch):
    ask_until_answered()
    own.freeze("live")
    forget(monkeypatch)
    text = Client().get("/status").content.decode()
    assert "Asking everything for the first time" in text and 'http-equiv="refresh" content="1"' in text
    assert wait_until(lambda: section("live")["state"] == "down", PATIENCE_SECONDS)
    assert "Not all is well" in Client().get("/status").content.decode()


def ask_until_silent_only(*names: str) -> None:
    """Everything has answered at least once, except for those."""
    assert wait_until(
        lambda: {name for name, found in ask()["sections"].items() if not found["answered"]} == set(names), 10
    ), ask()


@pytest.mark.fault
def test_no_secret_leaves_whatever_is_down(own_database):
    now = round(time.time() * 1000)
    facts = {"told_at": now, "since": now, "error": f"tcp://user:{SECRET}@receiver.example refused", "recorded": 0}
    queue = get_redis_connection("queue")
    queue.hset(health_keys.facts("pier"), mapping=facts)
    breaker = get_breaker("status-secrets")
    with pytest.raises(CircuitOpen):
        for _ in range(20):
            with pytest.raises(OperationalError), breaker.guard():
                raise OperationalError(f"could not reach postgres://tracking:{SECRET}@db.example/tracking")
    ask_until_silent_only("dead_letters")
    told = everything_told()
    assert "pier" in told and "failing" in told and "status-secrets" in told and "OperationalError" in told
    for name in ("postgres", "live", "queue"):
        own_database.kill(name)
        told += everything_told()
    for secret in (SECRET, "receiver.example", "db.example", str(own_database.data_dir), "user:", "/tmp"):
        assert secret not in told


def everything_told() -> str:
    answers = [Client().get(path).content.decode() for path in ("/status", "/status?format=json", "/metrics")]
    return "\n".join(answers)


def test_what_waits_and_what_is_parked_is_told(own):
    streams = Streams(get_redis_connection("queue"), "tracking")
    streams.make_groups()
    first = streams.add(LIVE, "one", {})
    streams.add(LIVE, "two", {})
    found = answered("queue")
    assert (found["state"], found["summary"]) == ("ok", "2 batches and tasks")
    entries = {sample["labels"]["stream"]: sample["value"] for sample in found["values"]["tracking_queue_entries"]}
    assert entries == {"housekeeping": 0, "live": 2, "replay": 0, "parked": 0}
    streams.park(LIVE, first, "unreadable")
    found = answered("queue")
    assert found["state"] == "degraded" and "1 parked" in found["summary"]


def test_feeds_are_known_without_their_table(own):
    now = round(time.time() * 1000)
    queue = get_redis_connection("queue")
    well = {"told_at": now, "since": now - 5000, "error": "", "recorded": 0, "last_message": now - 1000}
    queue.hset(health_keys.facts("pier"), mapping=well)
    queue.hset(health_keys.facts("by-hand"), mapping={"last_message": now - 1000})
    queue.hset(health_keys.facts("gone"), mapping=well | {"told_at": now - 2 * 86_400_000, "last_message": 1})
    found = answered("feeds")
    told = {
        (sample["labels"]["feed"], sample["labels"]["state"]): sample["value"]
        for sample in found["values"]["tracking_feed_state"]
    }
    assert found["state"] == "ok", found
    assert {feed for feed, _ in told} == {"pier", "by-hand"}
    assert told["pier", "ok"] == told["by-hand", "ok"] == 1 and told["pier", "failing"] == 0
    queue.hset(health_keys.facts("pier"), mapping={"error": "refused", "since": now - 60_000})
    assert answered("feeds")["state"] == "degraded"


def test_without_any_collector_the_feeds_are_not_well(own):
    past = round(time.time() * 1000) - 300_000
    facts = {"told_at": past, "since": past, "error": "", "recorded": 0, "last_message": past}
    get_redis_connection("queue").hset(health_keys.facts("pier"), mapping=facts)
    found = answered("feeds")
    assert found["state"] == "degraded" and "no collector runs" in found["summary"]


def test_no_way_in_is_down_and_one_is_degraded():
    def made(name: str, state: Any, accepts: bool) -> survey.Section:
        answer = {"state": state, "summary": "", "columns": [], "rows": [], "metrics": []}
        return survey.Section(name, name, state, "", "", True, 0.0, answer, None, accepts)  # type: ignore[arg-type]

    database, queue, spool = made("db", "ok", False), made("queue", "down", True), made("spool", "down", True)
    assert survey.overall([database, queue, spool]) == "down"
    assert survey.overall([database, queue, made("spool", "ok", True)]) == "degraded"
    assert survey.overall([made("db", "down", False), made("queue", "ok", True)]) == "degraded"
    assert survey.overall([database, made("queue", "ok", True)]) == "ok"


def test_an_answer_that_was_only_slow_leaves_no_silence_behind():
    memory = survey.SurveyMemory()
    memory.keep(lambda: survey._NOTHING, "slow")
    before = memory.answered_at - 5
    assert memory.silence(before, memory.answered_at) == pytest.approx(5)
    assert memory.silent_since is None


def test_a_question_that_hangs_is_asked_anew_by_few_threads(monkeypatch):
    release, asked = threading.Event(), []

    def hang() -> None:
        asked.append(1)
        release.wait(10)

    monkeypatch.setattr("tracking.status.inquiry.PATIENCE_SECONDS", -1.0)
    inquiries = {id(found): found for found in (Inquiry.start("test-hang", hang) for _ in range(20))}
    assert len(inquiries) == 5
    release.set()
    assert all(found.wait(5) for found in inquiries.values()) and len(asked) == 5


def test_the_page_asks_neither_session_nor_database():
    # No django_db mark, so that asking the database is an error; it is the page's duty to survive and to tell it.
    cookie = Client(HTTP_COOKIE="sessionid=abcdefghijklmnopqrstuvwxyz012345")
    response = cookie.get("/status", HTTP_ACCEPT="application/json")
    assert response.status_code == 200
    assert json.loads(response.content)["sections"]["postgresql"]["state"] == "down"


@pytest.mark.parametrize("path", ["/status", "/metrics"])
def test_other_networks_than_the_listed_ones_find_nothing(settings, path):
    settings.STATUS_NETWORKS = ["10.1.0.0/16", "2001:db8::/32"]
    for address in ("127.0.0.1", "10.2.0.1", "", "unix:"):
        assert Client(REMOTE_ADDR=address).get(path).status_code == 404
    for address in ("10.1.2.3", "::ffff:10.1.2.3", "2001:db8::1"):
        assert Client(REMOTE_ADDR=address).get(path).status_code == 200
    assert Client(REMOTE_ADDR="10.1.2.3").post(path).status_code == 405


def test_a_network_that_is_none_stops_the_start_by_name():
    with pytest.raises(ImproperlyConfigured, match=r"STATUS_NETWORKS: .* for example 192"):
        networks.parsed("STATUS_NETWORKS", ["10.1.0.0/33"])


def test_an_answer_that_is_only_slow_leaves_the_latest_one_standing(monkeypatch):
    answer = {"state": "ok", "summary": "3 feeds", "columns": [], "rows": [], "metrics": []}
    may_answer = threading.Event()
    may_answer.set()

    def ask_slowly() -> Any:
        may_answer.wait(PATIENCE_SECONDS)
        return answer

    questions = [{"name": "slow", "title": "Slow", "ask": ask_slowly, "accepts": True}]
    monkeypatch.setattr(survey, "_questions", lambda: questions)
    monkeypatch.setattr(survey, "_memories", {})
    survey.gather(PATIENCE_SECONDS)
    may_answer.clear()
    (found,) = survey.gather(0.0)
    may_answer.set()
    assert (found.state, found.summary, found.answered) == ("ok", "3 feeds", False)
    assert wait_until(lambda: not Inquiry._asking, PATIENCE_SECONDS), Inquiry._asking
