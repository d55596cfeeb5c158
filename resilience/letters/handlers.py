"""Who knows what a dead letter says: each app registers a handler for the kinds of letters that it writes.

A letter is replayed through a registered object, never through a dotted name in a row.
"""

from collections.abc import Mapping
from typing import Protocol

from resilience.models import DeadLetter


class Handler(Protocol):
    """What an app registers for the letters that it writes.

    `replay` and `discarded` run within a deadline and the transaction that closes the letter, `replay` behind the
    database's breaker too: they take none of these themselves. The message to replay is `letter.payload`.
    """

    @property
    def editable(self) -> bool:
        """Whether a person can mend such a letter by editing its message."""

    def replay(self, letter: DeadLetter) -> str:
        """Do what failed, and the accounts with it; the outcome as a code such as `stored`. Raises to fail again:
        a `reason` attribute of the exception becomes the letter's. The accounts hold an `expired` letter as
        discarded."""

    def discarded(self, letter: DeadLetter) -> None:
        """Do the accounts of a letter that is being given up, or expires."""

    def describe(self, letter: DeadLetter) -> Mapping[str, str]:
        """What `letter.payload` says, names to values, without touching a database. Raises Undecodable."""


class NoHandler(LookupError):
    """Nobody registered for this kind of letter."""

    reason = "no_handler"


class Undecodable(ValueError):
    """A message that says nothing: `reason` is a stable code."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


_handlers: dict[str, Handler] = {}


def register(kind: str, handler: Handler) -> None:
    """Let `handler` replay the letters of `kind` (32 characters at most). A second one for the kind replaces it."""
    _handlers[kind] = handler


def handler_of(kind: str) -> Handler:
    """Who handles `kind`. Raises NoHandler."""
    if kind not in _handlers:
        raise NoHandler(f"no handler is registered for {kind}")
    return _handlers[kind]


def kinds() -> list[str]:
    """The kinds that somebody handles."""
    return sorted(_handlers)
