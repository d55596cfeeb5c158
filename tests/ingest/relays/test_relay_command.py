"""`manage.py relay` and what keeps relays running."""

import threading

import pytest
from django.core.management import CommandError, call_command
from django.db import OperationalError

from ingest.models import Relay
from ingest.relays import runner
from ingest.relays.account import told_of
from ingest.relays.runner import RelayRunner, enabled_relays
from tests.resilience.conftest import queue
from tests.support.messages import position
from tests.support.relays import Receiver, offer, rules, until
from tests.tracking.conftest import live_redis

__all__ = ["live_redis", "queue"]
pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("live_redis", "queue")]


@pytest.fixture(autouse=True)
def loopback(settings):
    settings.FEED_ALLOW_NETWORKS = ["127.0.0.0/8"]


@pytest.fixture
def receiver():
    made = Receiver()
    yield made
    made.close()


@pytest.fixture
def started():
    """A runner of whatever the set holds, looked at when a test says so."""
    wanted = set()
    made = RelayRunner(lambda: set(wanted))
    yield made, wanted
    wanted.clear()
    made.reconcile()


def state_of(key):
    return told_of([key])[key].standing.state


def test_a_name_that_there_is_not_is_refused_with_those_that_there_are():
    Relay.objects.create(name="Pier", url="udp://127.0.0.1:9")
    with pytest.raises(CommandError, match="there is no relay 'Mole'; there are Pier"):
        call_command("relay", "Mole")


@pytest.mark.parametrize("name", ["Pier", None])
def test_the_command_sends_what_is_accepted(name, receiver, monkeypatch):
    relay = Relay.objects.create(name="Pier", url=receiver.url)
    ended = threading.Event()
    monkeypatch.setattr(runner.RelayRunner, "run", lambda self, stop: sending(self))

    def sending(self):
        self.reconcile()
        until(lambda: state_of(relay.pk) == "ok")
        offer([position()])
        until(lambda: receiver.lines == [position()])
        self._stop(set(self._running))
        ended.set()

    call_command("relay", *([name] if name else []))
    assert ended.is_set()


def test_only_enabled_relays_are_run():
    Relay.objects.create(name="Pier", url="udp://127.0.0.1:9")
    Relay.objects.create(name="Mole", url="udp://127.0.0.1:9", enabled=False)
    assert [found.name for found in enabled_relays()] == ["Pier"]


def test_relays_are_started_changed_and_stopped_as_the_admin_says(started):
    made, wanted = started
    wanted.add(rules("tcp-listen://127.0.0.1:0"))
    made.reconcile()
    until(lambda: state_of(1) == "ok")
    wanted.clear()
    wanted.add(rules("udp://127.0.0.1:9"))
    made.reconcile()
    until(lambda: state_of(1) == "ok")
    assert told_of([1])[1].account.id, "a relay that is changed keeps its place"
    wanted.clear()
    made.reconcile()
    assert state_of(1) == "stopped"
    assert not told_of([1])[1].account.id, "one that is switched off does not"


def test_a_database_that_is_away_stops_no_relay(started, monkeypatch):
    made, wanted = started
    wanted.add(rules())
    made.reconcile()
    until(lambda: state_of(1) == "ok")

    def away():
        raise OperationalError("away")

    with monkeypatch.context() as patch:
        patch.setattr(made, "_wanted", away)
        made.reconcile()
    assert state_of(1) == "ok"


def test_one_that_fails_by_a_bug_begins_again_and_the_others_go_on(started, monkeypatch):
    made, wanted = started
    monkeypatch.setattr(runner, "RETRY_SECONDS", 0.05)
    broken = iter([True, True, False])
    run = runner.RelayRun.run

    def failing(self):
        if self._rules.key == 2 and next(broken, False):
            raise ZeroDivisionError
        run(self)

    monkeypatch.setattr(runner.RelayRun, "run", failing)
    wanted |= {rules(), rules(key=2, name="Mole")}
    made.reconcile()
    until(lambda: state_of(1) == state_of(2) == "ok")


def test_run_ends_when_it_is_told_to():
    stop = threading.Event()
    stop.set()
    RelayRunner(set).run(stop)


def test_the_check_asks_whether_somebody_runs_the_relays_of_this_host(queue):
    with pytest.raises(CommandError, match="nobody runs the relays"):
        call_command("relay", "--check")
    runner._say_alive()
    call_command("relay", "--check")
