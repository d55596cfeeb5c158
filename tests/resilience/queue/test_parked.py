"""What the queue puts aside can be seen, returned and discarded with `manage.py parked`."""

import io
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django_q.conf import Conf
from django_q.signing import SignedPackage
from django_q.tasks import async_task
from django_redis import get_redis_connection

from resilience.queue.admission import refusal_of, signed_anew
from resilience.queue.broker import LIVE, StreamsBroker
from resilience.status import queue

ALLOWED = "tests.resilience.tasks.note"


@pytest.fixture
def broker(monkeypatch: pytest.MonkeyPatch, settings: Any) -> Iterator[StreamsBroker]:
    settings.QUEUE_ALLOWED_TASKS = [ALLOWED]
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


def test_the_list_names_stream_feed_attempts_and_reason(broker: StreamsBroker) -> None:
    [entry_id] = park(broker, 1)
    _, row = parked().splitlines()
    assert row.startswith(entry_id) and row.endswith("unreadable package: BadSignature")
    assert row.split()[3:6] == [LIVE, "-", "2"]


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


# --- another host's key ----------------------------------------------------------------------------------------------
KEYS = {"ours": "a" * 50, "theirs": "b" * 50}


def put_of_another_host(broker: StreamsBroker, monkeypatch: pytest.MonkeyPatch, number: str) -> None:
    """Add a task as a host does whose SECRET_KEY is another."""
    with monkeypatch.context() as there:
        there.setattr(Conf, "SECRET_KEY", KEYS["theirs"])
        async_task(ALLOWED, "run", number, broker=broker)


@pytest.fixture
def of_another_host(broker: StreamsBroker, monkeypatch: pytest.MonkeyPatch) -> StreamsBroker:
    """The queue of a host with our key, on which an entry of another host was parked."""
    monkeypatch.setattr(Conf, "SECRET_KEY", KEYS["ours"])
    put_of_another_host(broker, monkeypatch, "1")
    assert broker.dequeue() is None
    return broker


def test_what_another_key_signed_is_told_from_what_is_broken_and_the_fix_is_named(
    of_another_host: StreamsBroker, caplog: pytest.LogCaptureFixture
) -> None:
    [entry] = of_another_host.streams.parked()
    assert entry.reason.startswith("bad_signature: ")
    assert "set the same SECRET_KEY on all hosts" in entry.reason
    assert any(entry.reason in record.getMessage() for record in caplog.get_records("setup"))
    broken = SignedPackage.dumps({"args": ()})
    assert refusal_of(broken.encode()).startswith("unreadable package: KeyError")
    assert "SECRET_KEY_FALLBACKS" in parked()


def test_the_status_names_the_fix_of_another_key_and_no_other_reason(of_another_host: StreamsBroker) -> None:
    assert "1 parked, not signed with the SECRET_KEY of the workers: set the same on all hosts" in queue()["summary"]
    assert parked("--discard", "all") == "1 discarded\n"
    async_task("os.system", "true", broker=of_another_host)
    assert of_another_host.dequeue() is None
    assert "1 parked, which somebody has to look at" in queue()["summary"]
    assert "os.system" not in queue()["summary"]


def test_what_another_key_signed_stays_parked_until_that_key_is_told_and_then_runs(
    of_another_host: StreamsBroker, settings: Any
) -> None:
    with pytest.raises(CommandError, match=r"1 stay parked: no key of this host signed them.*SECRET_KEY_FALLBACKS"):
        parked("--return", "all")
    assert of_another_host.depths()["parked"].waiting == 1
    settings.SECRET_KEY_FALLBACKS = ["c" * 50, KEYS["theirs"] + "\n"]  # as a file has it
    assert parked("--return", "all") == "1 returned to their streams\n"
    [(_, package)] = of_another_host.dequeue() or []
    assert SignedPackage.loads(package)["args"] == ("run", "1")
    assert of_another_host.depths()["parked"].waiting == 0


def test_a_host_that_gets_the_right_key_back_returns_what_it_parked(
    broker: StreamsBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Conf, "SECRET_KEY", KEYS["ours"])
    put_of_another_host(broker, monkeypatch, "1")
    assert broker.dequeue() is None
    monkeypatch.setattr(Conf, "SECRET_KEY", KEYS["theirs"])
    assert parked("--return", "all") == "1 returned to their streams\n"
    assert len(broker.dequeue() or []) == 1


@pytest.mark.parametrize("payload", [b"no package", b"\xff\xfe", b"a:b:c"])
def test_what_no_key_signed_is_not_signed_anew(payload: bytes, settings: Any) -> None:
    settings.SECRET_KEY_FALLBACKS = [KEYS["theirs"]]
    assert signed_anew(payload) is None
