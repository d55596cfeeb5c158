"""The queue as the buffer of a long outage: what a message costs while it waits, and that nothing of it is lost."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db.models import Q
from django_q.conf import Conf

from ingest.acceptance.queue import enqueue
from ingest.ledger.accounts import account, violations
from ingest.reports import MessageBatch
from ingest.simulator import Simulation
from ingest.simulator.simulation import milliseconds
from resilience.queue.streams import LIVE, Streams
from tests.ingest.acceptance.test_queue import work
from tests.support.messages import batch

pytestmark = [
    pytest.mark.fault,
    pytest.mark.django_db(transaction=True, databases=["default", "direct"]),
    pytest.mark.usefixtures("breakers"),
]

SHIPS = 15_000  # about 2,000 messages a second
SECONDS = 4
BATCH_MS = 250  # a collector closes a batch then, at this rate
OUTAGE_BYTES, OUTAGE_MESSAGES = 100e6, 10 * 60 * 2000


def realistic_batches() -> list[MessageBatch]:
    """What one feed of a busy coast accepts in SECONDS: positions and static data of the simulator, live."""
    start = datetime.now(UTC) - timedelta(seconds=SECONDS + 1)
    simulation = Simulation(start=start, ships=SHIPS)
    made = []
    for number in range(SECONDS * 1000 // BATCH_MS):
        sent = list(simulation.transmissions(start + timedelta(milliseconds=BATCH_MS * (number + 1))))
        parcel = batch([b"\n".join(one.sentences) for one in sent], recorded=False)
        for message, one in zip(parcel.messages, sent, strict=True):
            message.received_at = milliseconds(one.at)
        made.append(parcel)
    return made


def test_ten_minutes_at_2000_messages_a_second_are_less_than_100_megabytes(queue: Any) -> None:
    accepted = realistic_batches()
    messages = sum(len(parcel.messages) for parcel in accepted)
    assert messages > 1500 * SECONDS, "the simulated coast is too quiet"
    before = queue.info("memory")["used_memory"]
    for parcel in accepted:
        enqueue(parcel)
    key = Streams(queue, Conf.CLUSTER_NAME).key(LIVE)
    of_the_stream = queue.memory_usage(key, samples=0) / messages
    of_the_server = (queue.info("memory")["used_memory"] - before) / messages
    limit = OUTAGE_BYTES / OUTAGE_MESSAGES
    assert max(of_the_stream, of_the_server) < limit, f"{of_the_stream:.1f} and {of_the_server:.1f} bytes a message"

    assert work(LIVE) == len(accepted)
    booked = account(Q())
    assert (booked.messages, violations(booked)) == (messages, [])
    assert booked.dead == sum(booked.rejected.values()) == 0
