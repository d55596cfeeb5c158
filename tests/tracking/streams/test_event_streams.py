"""Events as Server-Sent Events: what a follower is told, where it goes on, who may, and what happens while PostgreSQL
is away."""

import datetime as dt
import json
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import OperationalError, connection, connections
from django.utils import timezone
from redis import Redis

from tests.support.keys import header, make_key
from tests.support.patience import PATIENCE_SECONDS
from tests.tracking.streams.listener import Listener, serving
from tracking.access.api_keys import Scope
from tracking.events import following, recording
from tracking.events.following import EventLog, Following
from tracking.events.models.event import Event, EventKind
from tracking.events.notices import messages
from tracking.events.recording import Note, Over
from tracking.streams import hub as hubs
from tracking.streams.hub import Hub

pytestmark = pytest.mark.django_db(transaction=True)

EVERY = Following(frozenset(), None)
NORTH_SEA = (0.0, 50.0, 10.0, 60.0)


def now_ms() -> int:
    return round(timezone.now().timestamp() * 1000)


def begin(identity: str = "244660123", kind: EventKind = EventKind.EMERGENCY, **values: Any) -> Event:
    note = Note(kind, "vessel", identity, "", now_ms(), **{"latitude": 52.0, "longitude": 4.0} | values)
    (made,) = recording.record([note])
    return made


def end(identity: str = "244660123", kind: EventKind = EventKind.EMERGENCY) -> None:
    recording.record([], [Over(kind, "vessel", identity, "", now_ms())])


@pytest.fixture
def log() -> EventLog:
    """One that reads whenever it is asked to, and has read once."""
    made = EventLog(0.0)
    made.refresh()
    return made


def told(log: EventLog, since: str | None, following: Following = EVERY) -> tuple[str, dict[str, Any]]:
    """The cursor and the body of what is told."""
    log.refresh()
    answer = log.told(following, since)
    return answer.next, json.loads(answer.body) if answer.body else {"results": []}


def names(body: dict[str, Any]) -> list[tuple[str, bool]]:
    return [(each["identity"], each["over"]) for each in body["results"]]


def test_a_follower_begins_with_a_cursor_and_is_told_what_begins_and_what_ends(log: EventLog) -> None:
    begin("1")
    cursor, body = told(log, None)
    assert (body["results"], body["reset"], body["next"]) == ([], False, cursor)
    begin("2"), end("1")
    cursor, body = told(log, cursor)
    assert names(body) == [("2", False), ("1", True)]
    assert told(log, cursor)[1] == {"results": []}


def test_an_event_that_goes_on_anew_is_told_again_and_one_that_is_held_is_not(log: EventLog) -> None:
    begin()
    cursor, _ = told(log, None)
    Event.objects.update(held_at=timezone.now())
    assert told(log, cursor)[1] == {"results": []}
    end()
    assert recording.record([Note(EventKind.EMERGENCY, "vessel", "244660123", "", now_ms())]) == [], (
        "within its cooldown"
    )
    _, body = told(log, cursor)
    assert names(body) == [("244660123", False)]


def test_kinds_and_box_choose(log: EventLog) -> None:
    cursor, _ = told(log, None)
    begin("1"), begin("2", longitude=-4.0), begin("3", latitude=None), begin("4", EventKind.DISPUTE)
    emergencies = Following(frozenset({EventKind.EMERGENCY}), None)
    assert [name for name, _ in names(told(log, cursor, emergencies)[1])] == ["1", "2", "3"]
    assert [name for name, _ in names(told(log, cursor, Following(frozenset(), NORTH_SEA))[1])] == ["1", "4"]
    assert [name for name, _ in names(told(log, cursor, Following(frozenset(), (170.0, 50.0, 5.0, 60.0)))[1])] == [
        "1",
        "2",
        "4",
    ], "across 180 degrees"


def test_a_row_that_is_committed_late_is_told_all_the_same(log: EventLog) -> None:
    cursor, _ = told(log, None)
    begin("1")
    cursor, body = told(log, cursor)
    late = begin("2")
    Event.objects.filter(pk=late.pk).update(changed_at=timezone.now() - dt.timedelta(seconds=30))
    after, body = told(log, cursor)
    assert names(body) == [("2", False)]
    assert int(after) > int(cursor)


def test_the_next_process_goes_on_from_a_cursor(log: EventLog) -> None:
    cursor, _ = told(log, None)
    begin("1")
    cursor, _ = told(log, cursor)
    begin("2")
    another = EventLog(0.0)
    cursor, body = told(another, cursor)
    assert ("2", False) in names(body)
    assert told(another, cursor)[1] == {"results": []}
    begin("3")
    assert names(told(another, cursor)[1]) == [("3", False)]


def test_many_events_are_told_a_part_at_a_time_and_none_is_left_out(
    log: EventLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(following, "MOST_TOLD", 2)
    cursor, _ = told(log, None)
    for number in range(5):
        begin(str(number))
    found = []
    for _ in range(3):
        cursor, body = told(log, cursor)
        found += [name for name, _ in names(body)]
    assert found == ["0", "1", "2", "3", "4"]


def test_a_cursor_older_than_what_is_remembered_says_reset(log: EventLog, monkeypatch: pytest.MonkeyPatch) -> None:
    first, body = told(log, None)
    monkeypatch.setattr(following, "REMEMBERED", 2)
    for number in range(3):
        begin(str(number))
        cursor, body = told(log, first)
        assert body["reset"] is (number == 2)
    assert [name for name, _ in names(body)] == ["1", "2"]
    _, body = told(log, "1")
    assert body["reset"]
    begin("3")
    assert not told(log, cursor)[1]["reset"]


def test_more_rows_than_are_read_at_once_say_reset(log: EventLog, monkeypatch: pytest.MonkeyPatch) -> None:
    cursor, _ = told(log, None)
    monkeypatch.setattr(following, "REMEMBERED", 2)
    for number in range(3):
        begin(str(number))
    _, body = told(log, cursor)
    assert (body["reset"], [name for name, _ in names(body)]) == (True, ["1", "2"])


@pytest.mark.parametrize("cursor", ["", "soon", "-1", "9" * 20, "1-2"])
def test_what_is_no_cursor_is_refused(cursor: str) -> None:
    with pytest.raises(ValueError, match="no cursor"):
        following.cursor(cursor)


@pytest.fixture
def port(live_redis: Redis, monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """Of a server of streams in a thread."""
    hub = Hub(EventLog(0.05), "events", "Events are", 0.05)
    monkeypatch.setattr(hubs, "events", hub)
    with serving() as port:
        yield port
    hub._thread.submit(connections.close_all).result(PATIENCE_SECONDS)


@pytest.fixture
def key() -> str:
    """The header of a key that may read history."""
    return header(make_key(User.objects.create_user("program"), Scope.HISTORY))


def listener(port: int, key: str, query: str = "", **headers: str) -> Listener:
    return Listener(port, query, path="/api/stream/events/", Authorization=key, **headers)


def test_a_stream_tells_of_events_and_goes_on_from_the_last_event_id(port: int, key: str) -> None:
    with closing(listener(port, key, "kinds=emergency,dispute&bbox=0,50,10,60")) as first:
        assert first.response.getheader("Content-Type") == "text/event-stream"
        assert first.changes("events")["results"] == []
        made = begin()
        heard = first.changes("events")
    (one,) = heard["results"]
    assert (one["id"], one["kind"], one["identity"], one["over"]) == (str(made.id), "emergency", "244660123", False)
    assert (one["lat"], one["lon"], one["text"]) == (52.0, 4.0, messages.title(made))
    end()
    with closing(listener(port, key, **{"Last-Event-ID": heard["event_id"]})) as again:
        assert names(again.changes("events")) == [("244660123", True)]


def test_streams_hold_one_connection_to_postgresql_together(port: int, key: str) -> None:
    def connected() -> int:
        with connection.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()")
            return int(cursor.fetchone()[0])

    many = [listener(port, key) for _ in range(5)]
    for one in many:
        one.changes("events")
    assert connected() <= 2, "that of this test, and that which reads"
    for one in many:
        one.close()


def test_an_open_stream_says_that_the_database_is_away_and_goes_on(
    port: int, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    refresh, away = EventLog.refresh, [False]

    def failing(log: EventLog) -> int:
        if away[0]:
            raise OperationalError("nobody there")
        return refresh(log)

    monkeypatch.setattr(EventLog, "refresh", failing)
    with closing(listener(port, key)) as one:
        one.changes("events")
        away[0] = True
        event = one.event()
        assert (event["event"], event["data"]) == ("away", '{"detail":"Events are not available at the moment."}')
        with closing(listener(port, key)) as late:
            assert (late.response.status, late.response.getheader("Retry-After")) == (503, "5")
        begin()
        away[0] = False
        assert names(one.changes("events")) == [("244660123", False)]


@pytest.mark.parametrize(
    ("query", "word"), [("since=soon", "since"), ("kinds=birthday", "kinds"), ("bbox=1", "bbox"), ("near=1", "near")]
)
def test_what_cannot_be_asked_is_refused_in_json(port: int, key: str, query: str, word: str) -> None:
    with closing(listener(port, key, query)) as one:
        assert one.response.status == 400
        assert word in json.loads(one.response.read())


def test_events_are_for_those_who_may_read_history_though_live_state_is_public(port: int, settings: Any) -> None:
    settings.LIVE_PUBLIC = True
    with closing(Listener(port, "", path="/api/stream/events/")) as stranger:
        assert stranger.response.status == 401
    live = header(make_key(User.objects.create_user("map"), Scope.LIVE))
    with closing(listener(port, live)) as one:
        assert one.response.status == 403


def test_the_web_server_shows_the_way(settings: Any, client: Any, admin_user: User) -> None:
    settings.STREAM_PORT = 8001
    client.force_login(admin_user)
    response = client.get("/api/stream/events/?kinds=dark", headers={"host": "localhost:8000"})
    assert (response.status_code, response["Location"]) == (
        307,
        "http://localhost:8001/api/stream/events/?kinds=dark",
    )
