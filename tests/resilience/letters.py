"""Letters and handlers for the tests of dead letters."""

import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from django_redis import get_redis_connection

from resilience.models import DeadLetter

HEARD_AT = datetime(2026, 3, 1, 12, tzinfo=UTC)
SENTENCE = b"!AIVDM,1,1,,A,13u?etPv2;0n:dDPwUM1U1Cb069D,0*24"


def make_letter(**changes: Any) -> DeadLetter:
    """A pending letter that has been due since it failed."""
    fields: dict[str, Any] = {
        "kind": "test",
        "batch_id": uuid.uuid4(),
        "ordinal": 0,
        "source": "harbour",
        "received_at": HEARD_AT,
        "raw": SENTENCE,
        "stage": "store",
        "reason": "check_violation",
        "sqlstate": "23514",
        "message": 'new row violates check constraint "vesselposition_latitude"',
        "failed_at": HEARD_AT,
        "next_retry_at": HEARD_AT,
    }
    return DeadLetter.objects.create(**fields | changes)


class RecordingHandler:
    """Replays by calling `act` and remembers the ordinals it was given."""

    def __init__(self, act: Callable[[DeadLetter], str] = lambda letter: "stored") -> None:
        self.act = act
        self.replayed: list[int] = []
        self.given_up: list[int] = []

    def replay(self, letter: DeadLetter) -> str:
        self.replayed.append(letter.ordinal)
        return self.act(letter)

    def discarded(self, letter: DeadLetter) -> None:
        self.given_up.append(letter.ordinal)


def fail_with(error: Exception) -> Callable[[DeadLetter], str]:
    """An act that always raises `error`."""

    def act(letter: DeadLetter) -> str:
        raise error

    return act


def forget_breakers() -> None:
    """All breakers as they are before anybody has used them."""
    queue = get_redis_connection("queue")
    for key in queue.scan_iter("tracking:{breaker}*"):
        queue.delete(key)
