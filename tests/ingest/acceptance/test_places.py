"""Places of recordings in the queue's Redis go once the ledger has them, and not before."""

import datetime as dt
import threading

import pytest
from django_redis import get_redis_connection

from ingest import tasks
from ingest.acceptance import places as housekeeping
from ingest.acceptance.contract import ResumePoint, resume_key
from ingest.acceptance.queue import QueueAcceptance, enqueue
from ingest.pipeline import process
from tests.ingest.ledger.test_accounts import book
from tests.support.messages import batch, position

pytestmark = [pytest.mark.django_db(transaction=True, databases=["default", "direct"])]


@pytest.fixture(autouse=True)
def queue():
    """The queue's Redis, empty."""
    client = get_redis_connection("queue")
    client.flushdb()
    yield client
    client.flushdb()


def part(number: int, origin: str = "/a", **fields):
    """A batch of a recording; the later its number, the later it was accepted."""
    place = {"origin": origin, "offset": number * 100, "index": number, "accepted_at": 1_700_000_000_123 + number}
    return batch([position()], **place | fields)


def place(origin: str = "/a", source: str = "test") -> ResumePoint | None:
    return QueueAcceptance(threading.Event()).resume_point(source, origin)


def at(milliseconds: int) -> dt.datetime:
    return dt.datetime.fromtimestamp(milliseconds / 1000, dt.UTC)


def kept(queue) -> set[str]:
    return {key.decode() for key in queue.scan_iter(match="tracking:resume:*")}


def test_a_place_goes_once_its_batch_is_booked_and_the_ledger_tells_it(queue):
    enqueue(part(1))
    assert housekeeping.forget_places() == 0 and kept(queue)
    process(part(1))
    before = place()
    assert housekeeping.forget_places() == 1
    assert kept(queue) == set() and place() == before == ResumePoint(100, 1, 1_700_000_000_124, "nmea")


def test_a_place_that_is_newer_than_the_ledger_stays(queue):
    process(part(1))
    enqueue(part(2))
    assert housekeeping.forget_places() == 0
    assert kept(queue) == {resume_key("test", "/a")} and place().offset == 200


def test_a_place_further_on_that_was_accepted_in_the_same_millisecond_stays(queue):
    process(part(1))
    enqueue(part(1, offset=101))
    assert housekeeping.forget_places() == 0 and place().offset == 101


def test_a_place_that_is_older_than_the_ledger_goes(queue):
    enqueue(part(1))
    process(part(2))
    assert housekeeping.forget_places() == 1 and place().offset == 200


def test_the_ledger_of_another_recording_or_feed_is_none_of_its_business(queue):
    enqueue(part(1))
    process(part(2, origin="/b"))
    process(part(2, source="other"))
    process(part(2, offset=None, index=None))  # a line that tells no place
    assert housekeeping.forget_places() == 0 and len(kept(queue)) == 1


def test_each_of_many_is_judged_by_its_own_line(queue, monkeypatch):
    monkeypatch.setattr(housekeeping, "CHUNK_KEYS", 3)
    booked, waiting = [f"/booked/{number}" for number in range(10)], [f"/waiting/{number}" for number in range(10)]
    for origin in (*booked, *waiting):
        enqueue(part(5, origin))
        ledger = part(5 if origin in booked else 4, origin)
        book(source="test", origin=origin, offset=ledger.offset, index=ledger.index, accepted_at=at(ledger.accepted_at))
    assert housekeeping.forget_places() == 10
    assert kept(queue) == {resume_key("test", origin) for origin in waiting}


def test_a_place_that_moves_on_while_the_ledger_is_asked_stays(queue, monkeypatch):
    enqueue(part(1))
    process(part(1))
    asked = housekeeping._newest_places

    def moving_on(*args):
        enqueue(part(2))
        return asked(*args)

    monkeypatch.setattr(housekeeping, "_newest_places", moving_on)
    assert housekeeping.forget_places() == 0 and place().offset == 200


@pytest.mark.parametrize("source", ["a:b", "pier.1", "*"])
def test_any_label_is_told_from_its_key(queue, source):
    enqueue(part(1, source=source))
    process(part(1, source=source))
    assert housekeeping.forget_places() == 1


def test_what_is_no_place_is_left_and_stops_nobody(queue, caplog):
    queue.set(resume_key("test", "/z"), "no JSON")
    queue.rpush("tracking:resume:list", "1")
    enqueue(part(1))
    process(part(1))
    assert housekeeping.forget_places() == 1
    assert len(kept(queue)) == 2 and "is no place of a recording" in caplog.text


def test_the_hourly_task_does_it_and_says_so(queue):
    assert tasks.close_books() == "0 lines rolled up"
    enqueue(part(1))
    process(part(1))
    assert tasks.close_books() == "0 lines rolled up, 1 places of recordings left to the ledger"
