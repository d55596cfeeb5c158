"""Several clusters, one table of schedules: what is due is queued once, however many look and however late."""

import threading
import uuid
from collections import Counter
from collections.abc import Iterator
from datetime import timedelta

import pytest
from django.db import connections
from django.utils import timezone
from django_q.models import Schedule
from django_q.scheduler import scheduler
from django_q.signing import SignedPackage

from resilience.queue.broker import HOUSEKEEPING, StreamsBroker
from tests.support.patience import PATIENCE_SECONDS

pytestmark = [pytest.mark.fault, pytest.mark.django_db(transaction=True)]

SCHEDULERS = 4
PASSES = 5
TASK = "tests.resilience.tasks.note"


@pytest.fixture
def broker() -> Iterator[StreamsBroker]:
    made = StreamsBroker(list_key=f"test-{uuid.uuid4().hex}")
    yield made
    made.delete_queue()


def queued_labels(broker: StreamsBroker) -> Counter[str]:
    """How often each schedule was queued, by its first argument."""
    entries = broker.connection.xrange(broker.streams.key(HOUSEKEEPING))
    return Counter(SignedPackage.loads(fields[b"t"].decode())["args"][0] for _, fields in entries)


def at_once(broker: StreamsBroker) -> None:
    """Four sentinels look at the schedules at the same moment, five times."""
    together = threading.Barrier(SCHEDULERS)

    def look() -> None:
        try:
            for _ in range(PASSES):
                together.wait(PATIENCE_SECONDS)
                scheduler(broker=broker)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=look) for _ in range(SCHEDULERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE_SECONDS)
        assert not thread.is_alive()


def test_four_schedulers_at_once_queue_each_due_schedule_once(broker: StreamsBroker) -> None:
    Schedule.objects.all().delete()  # the project's own
    now = timezone.now()
    for number in range(20):
        Schedule.objects.create(
            func=TASK,
            args=f"'due-{number}'",
            schedule_type=Schedule.MINUTES,
            minutes=5,
            next_run=now - timedelta(seconds=1),
        )
    Schedule.objects.create(
        func=TASK, args="'later'", schedule_type=Schedule.MINUTES, minutes=5, next_run=now + timedelta(minutes=5)
    )
    at_once(broker)
    assert queued_labels(broker) == {f"due-{number}": 1 for number in range(20)}
    assert Schedule.objects.filter(next_run__lte=timezone.now()).count() == 0


def test_runs_that_were_missed_are_made_up_by_one(broker: StreamsBroker) -> None:
    Schedule.objects.all().delete()
    long_ago = timezone.now() - timedelta(minutes=23)
    Schedule.objects.create(func=TASK, args="'missed'", schedule_type=Schedule.MINUTES, minutes=5, next_run=long_ago)
    at_once(broker)
    assert queued_labels(broker) == {"missed": 1}
    ahead = Schedule.objects.get().next_run - timezone.now()
    assert timedelta(0) < ahead <= timedelta(minutes=5)
