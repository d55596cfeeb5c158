"""One relay from the stream to real sockets: nothing twice, everything counted, whatever becomes of the other side."""

import threading

import pytest
import redis
from django_redis import get_redis_connection

from ingest.relays import account as accounts
from ingest.relays import stream
from ingest.relays.account import AccountBook, RelayStanding, TakenOver, lose_place, told_of
from ingest.relays.outlets import Handed
from ingest.relays.run import RelayRun
from tests.resilience.conftest import queue
from tests.support.messages import position
from tests.support.relays import Receiver, far_ahead, offer, rules, running, until
from tests.tracking.conftest import live_redis

__all__ = ["live_redis", "queue"]  # fixtures of two rooms
pytestmark = pytest.mark.usefixtures("live_redis", "queue")

SHIPS = [position(mmsi=211000000 + number) for number in range(1000)]


@pytest.fixture(autouse=True)
def loopback(settings):
    settings.FEED_ALLOW_NETWORKS = ["127.0.0.0/8"]


@pytest.fixture
def receiver():
    made = Receiver()
    yield made
    made.close()


class Collecting:
    """An outlet that keeps what it is given, `room` messages at most between two calls of open."""

    clients = None

    def __init__(self, room=10**6):
        self.taken, self.opened, self._room, self._left = [], 0, room, room

    def open(self):
        self.opened += 1
        self._left = self._room

    def send(self, messages):
        done = min(self._left, len(messages))
        self._left -= done
        self.taken += messages[:done]
        return Handed(done)

    def close(self):
        """There is nothing to let go of."""


def told():
    """What everybody can read of the relay; the equation holds whenever somebody looks."""
    found = told_of([1])[1].account
    assert found.adds_up()
    return found


def settled(number):
    return lambda: (found := told()).accepted == number and not found.sending


def test_what_is_accepted_while_it_runs_goes_out_in_order(receiver):
    offer(SHIPS[:5])  # before it ran for the first time
    with running(rules(receiver.url)):
        offer(SHIPS[10:13])
        offer(SHIPS[20:22])
        until(lambda: len(receiver.lines) == 5)
        until(settled(5))
    assert receiver.lines == SHIPS[10:13] + SHIPS[20:22]
    assert (told().sent, told().dropped) == (5, {})
    assert told_of([1])[1].standing.state == "stopped"


def test_one_that_begins_again_goes_on_where_it_was(receiver):
    with running(rules(receiver.url)):
        offer(SHIPS[:3])
        until(settled(3))
    offer(SHIPS[2:6])
    with running(rules(receiver.url)):
        until(settled(7))
    assert receiver.lines == SHIPS[:6]
    assert (told().sent, told().dropped) == (6, {"duplicate": 1})


def test_a_large_batch_goes_out_in_chunks_and_as_a_whole():
    outlet = Collecting()
    with running(rules(), outlet):
        offer(SHIPS)
        until(settled(1000))
    assert outlet.taken == [ship + b"\r\n" for ship in SHIPS]


def test_what_a_connection_left_over_goes_out_by_the_next_one_and_nothing_twice():
    outlet = Collecting(room=7)
    with running(rules(), outlet):
        offer(SHIPS[:100])
        until(settled(100))
    assert outlet.taken == [ship + b"\r\n" for ship in SHIPS[:100]]
    assert told().sent == 100


def test_every_message_is_counted_once_by_what_became_of_it():
    kinds = bytes([stream.POSITION] * 5 + [stream.OTHER])
    with running(rules(kinds=bytes([stream.POSITION]), messages_per_second=1), Collecting()):
        offer([*SHIPS[:4], SHIPS[0], SHIPS[9]], kinds)
        until(settled(6))
    assert told().sent == 2
    assert told().dropped == {"rate_limit": 2, "duplicate": 1, "other_kind": 1}


def test_what_is_too_old_is_dropped_whether_or_not_somebody_listens():
    with running(rules(), Collecting(), now=far_ahead):
        offer(SHIPS[:3])
        until(settled(3))
    with running(rules("tcp://127.0.0.1:9"), now=far_ahead):
        offer(SHIPS[:4])
        until(settled(7))
        assert told_of([1])[1].standing.state == "failing"
    assert (told().sent, told().dropped) == (0, {"late": 7})
    with running(rules(feeds=frozenset({"mole"})), Collecting(), now=far_ahead):
        offer(SHIPS[:2])
        until(settled(9))
    assert told().dropped == {"late": 7, "other_feed": 2}


def test_what_the_stream_forgot_is_counted(settings, live_redis):
    with running(rules(), Collecting()):
        offer(SHIPS[:1])
        until(settled(1))
    settings.RELAY_STREAM_MB = 0
    for number in range(200):
        offer(SHIPS[number : number + 1])
    kept = live_redis.xlen(stream.STREAM)
    assert kept < 200
    with running(rules(), Collecting()):
        until(settled(201))
    assert told().dropped["overrun"] == 200 - kept


def test_what_a_worker_could_not_hand_over_is_counted():
    with running(rules(), Collecting()):
        offer(SHIPS[:2], missed=5)
        until(settled(7))
    assert (told().sent, told().dropped) == (2, {"overrun": 5})


def test_a_live_redis_that_lost_everything_stops_no_relay(live_redis):
    outlet = Collecting()
    with running(rules(), outlet):
        offer(SHIPS[:3])
        until(settled(3))
        live_redis.flushdb()
        offer(SHIPS[3:5])
        until(settled(5))
    assert len(outlet.taken) == 5
    assert told().missed_streams == 1


def test_while_redis_is_away_a_relay_waits(monkeypatch):
    outlet, away = Collecting(), threading.Event()
    read = stream.read

    def reading(*args):
        if away.is_set():
            raise redis.ConnectionError("away")
        return read(*args)

    monkeypatch.setattr(stream, "read", reading)
    with running(rules(), outlet):
        away.set()
        offer(SHIPS[:3])
        away.clear()
        until(settled(3))
    assert len(outlet.taken) == 3


def test_what_was_being_sent_when_it_was_killed_is_counted_and_not_repeated():
    class Deadly(Collecting):
        def send(self, messages):
            super().send(messages[:2])
            raise SystemExit("as if killed")

    deadly = Deadly()
    with pytest.raises(SystemExit), running(rules(), deadly):
        offer(SHIPS[:5])
        until(lambda: len(deadly.taken) == 2)
    outlet = Collecting()
    with running(rules(), outlet):
        offer(SHIPS[5:8])
        until(settled(8))
    assert outlet.taken == [ship + b"\r\n" for ship in SHIPS[5:8]]
    assert (told().sent, told().dropped) == (3, {"interrupted": 5})


def test_the_process_that_claimed_it_last_runs_a_relay():
    first, second = Collecting(), Collecting()
    with pytest.raises(TakenOver), running(rules(), first), running(rules(), second):
        offer(SHIPS[:50])
        until(settled(50))
    assert len(first.taken) + len(second.taken) == 50


def test_a_relay_that_is_switched_off_owes_nothing_for_the_time():
    with running(rules(), Collecting()):
        offer(SHIPS[:2])
        until(settled(2))
    lose_place(1)
    offer(SHIPS[2:10])
    with running(rules(), Collecting()):
        offer(SHIPS[10:11])
        until(settled(3))
    assert (told().sent, told().dropped) == (3, {})


def test_a_relay_to_a_dead_address_costs_the_others_nothing():
    outlet = Collecting()
    with running(rules("tcp://127.0.0.1:9", key=2, name="Dead")), running(rules(), outlet):
        offer(SHIPS[:300])
        until(settled(300))
        assert told_of([2])[2].standing.state == "failing"
    assert len(outlet.taken) == 300


def test_an_account_is_only_written_by_its_owner():
    book = AccountBook(1, "Pier")
    account = book.claim()
    AccountBook(1, "Pier").claim()
    with pytest.raises(TakenOver):
        book.save(account, RelayStanding())


def test_a_place_is_forgotten_with_its_relay():
    with running(rules(), Collecting()):
        offer(SHIPS[:2])
        until(settled(2))
    assert accounts.known_keys() == [1]
    accounts.forget(1)
    assert accounts.known_keys() == []


def test_stopping_ends_a_relay_that_waits_for_its_address():
    with running(rules("tcp://127.0.0.1:9")) as run:
        assert isinstance(run, RelayRun)
        until(lambda: told_of([1])[1].standing.state == "failing")
    assert get_redis_connection("queue").ttl("tracking:relay:1") > 0
