"""Letters and handlers for the tests of dead letters."""

import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from django.utils import timezone
from django_redis import get_redis_connection

from resilience.letters.handlers import Undecodable
from resilience.models import DeadLetter

HEARD_AT = datetime(2026, 3, 1, 12, tzinfo=UTC)
SENTENCE = b"!AIVDM,1,1,,A,13u?etPv2;0n:dDPwUM1U1Cb069D,0*24"


class Refusal(Exception):
    """What a handler raises that knows why."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"refused: {reason}")
        self.reason = reason


def make_letter(save: bool = True, **changes: Any) -> DeadLetter:
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
    letter = DeadLetter(**fields | changes)
    if save:
        letter.save()
    return letter


def age(letter: DeadLetter, old: timedelta) -> DeadLetter:
    """The letter, as if it had died so long ago."""
    DeadLetter.objects.filter(pk=letter.pk).update(created_at=timezone.now() - old)
    letter.refresh_from_db()
    return letter


class RecordingHandler:
    """Replays by calling `act` and remembers the ordinals it was given. It decodes all but `rubbish`."""

    editable = True

    def __init__(self, act: Callable[[DeadLetter], str] = lambda letter: "stored") -> None:
        self.act = act
        self.replayed: list[int] = []
        self.payloads: list[bytes] = []
        self.given_up: list[int] = []

    def replay(self, letter: DeadLetter) -> str:
        self.replayed.append(letter.ordinal)
        self.payloads.append(letter.payload)
        return self.act(letter)

    def discarded(self, letter: DeadLetter) -> None:
        self.given_up.append(letter.ordinal)

    def describe(self, letter: DeadLetter) -> dict[str, str]:
        if letter.payload == b"rubbish":
            raise Undecodable("no_sentence")
        return {"says": letter.payload.decode(errors="replace")}


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
