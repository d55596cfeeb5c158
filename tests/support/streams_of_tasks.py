"""What the tests of the broker share: putting and taking tasks."""

from django_q.signing import SignedPackage
from django_q.tasks import async_task

from resilience.queue.broker import StreamsBroker

ALLOWED = "tests.resilience.tasks.note"


def put(stream: str, label: str = "x", func: str = ALLOWED) -> None:
    async_task(func, "run", label, broker=StreamsBroker.for_stream(stream))


def take(broker: StreamsBroker) -> list[tuple[str, str]]:
    """(stream, label) of what one round gives."""
    taken = broker.dequeue() or []
    return [(ack_id.split("|")[0], SignedPackage.loads(package)["args"][1]) for ack_id, package in taken]
