"""What the queue puts aside can be seen, returned and discarded with `manage.py parked`."""

import io
import uuid
from collections.abc import Iterator

import pytest
from django.core.management import CommandError, call_command
from django_q.conf import Conf
from django_q.tasks import async_task
from django_redis import get_redis_connection

from resilience.broker import LIVE, StreamsBroker

ALLOWED = "tests.resilience.tasks.note"


@pytest.fixture
def broker(monkeypatch: pytest.MonkeyPatch) -> Iterator[StreamsBroker]:
    name = f"test-{uuid.uuid4().hex}"
    monkeypatch.setattr(Conf, "CLUSTER_NAME", name)
    broker = StreamsBroker(stream=LIVE)
    broker.streams.make_groups()
    yield broker
    client = get_redis_connection("queue")
    client.delete(*client.keys(f"tracking:queue:{{{name}}}:*"), "none")


def parked(*arguments: str) -> str:
    out = io.StringIO()
    call_command("parked", *arguments, stdout=out)
    return out.getvalue()


def park(broker: StreamsBroker, count: int) -> list[str]:
    for number in range(count):
        async_task(ALLOWED, "run", str(number), broker=broker)
    taken = broker.streams.read(broker.instance, {LIVE: count}, 10)
    for entry in taken:
        broker.streams.park(entry.stream, entry.entry_id, "unreadable package: BadSignature", 2)
    return [entry.entry_id for entry in broker.streams.parked()]


def test_without_parked_entries_the_list_says_so(broker: StreamsBroker) -> None:
    assert parked() == "nothing is parked\n"


def test_the_list_names_stream_reason_and_deliveries(broker: StreamsBroker) -> None:
    [entry_id] = park(broker, 1)
    _, row = parked().splitlines()
    assert row.startswith(entry_id) and row.endswith("unreadable package: BadSignature")
    assert row.split()[3:5] == [LIVE, "2"]


def test_a_returned_entry_is_delivered_as_if_new(broker: StreamsBroker) -> None:
    first, second = park(broker, 2)
    assert parked("--return", second) == "1 returned to their streams\n"
    [delivery] = broker.streams.read(broker.instance, {LIVE: 5}, 10)
    assert delivery.deliveries == 1
    assert [entry.entry_id for entry in broker.streams.parked()] == [first]
    assert parked("--return", "all") == "1 returned to their streams\n"
    assert broker.depths()["parked"].waiting == 0


def test_a_discarded_entry_is_gone(broker: StreamsBroker) -> None:
    park(broker, 3)
    assert parked("--discard", "all") == "3 discarded\n"
    assert parked() == "nothing is parked\n"
    assert broker.queue_size() == 0


def test_an_unknown_id_is_an_error_that_says_where_to_look(broker: StreamsBroker) -> None:
    with pytest.raises(CommandError, match=r"manage\.py parked"):
        parked("--return", "1-1")
