"""Mending a message by hand: the edited text is decoded first, then replayed like any retry. What was received stays.

Text or hexadecimal comes in, what became of the letter leaves.
"""

import uuid
from datetime import datetime

from django.utils import timezone

from resilience.letters import dead_letters
from resilience.letters.dead_letters import LetterOutcome
from resilience.letters.handlers import Undecodable, handler_of
from resilience.models import DeadLetter
from resilience.pages import readable

TEXT, HEX = "utf-8", "hex"
MAX_BYTES = 65_536


def encoding_of(raw: bytes) -> str:
    """How a person edits `raw`: as text, or in hexadecimal where a browser's text field would change it."""
    return TEXT if readable.is_text(raw) and b"\r" not in raw else HEX


def as_edited(raw: bytes) -> str:
    """`raw` in its encoding; hexadecimal with a blank between bytes."""
    return raw.decode() if encoding_of(raw) == TEXT else raw.hex(" ")


def parse(text: str, encoding: str) -> bytes:
    """The message that a person wrote. Raises Undecodable: `not_hexadecimal`, `empty`, `too_long`, `not_utf8`."""
    try:
        raw = bytes.fromhex(text) if encoding == HEX else text.replace("\r\n", "\n").encode()
    except UnicodeEncodeError as error:
        raise Undecodable("not_utf8") from error
    except ValueError as error:
        raise Undecodable("not_hexadecimal") from error
    if not raw.strip():
        raise Undecodable("empty")
    if len(raw) > MAX_BYTES:
        raise Undecodable("too_long")
    return raw


def edit_and_retry(letter_id: uuid.UUID, message: bytes, by: str, now: datetime | None = None) -> LetterOutcome:
    """Replay a letter with `message` in place of what it says, in one transaction; counts like any retry.

    `raw` never changes; `edited` is kept whether or not the retry succeeds. Raises Undecodable and NoHandler, with
    nothing changed; a letter whose kind cannot be edited is `not_editable`.
    """
    moment = now or timezone.now()

    def edit(letter: DeadLetter) -> None:
        check(letter, message)
        letter.edited, letter.edited_by, letter.edited_at = message, by, moment
        dead_letters.remember(letter, by, "edit", "edited", f"{len(message)} bytes", moment)
        letter.save(update_fields=["edited", "edited_by", "edited_at", "history"])

    return dead_letters.retry(letter_id, by, moment, prepare=edit)


def check(letter: DeadLetter, message: bytes) -> None:
    """Raise Undecodable unless `message` can take the place of what `letter` says. Changes nothing."""
    handler = handler_of(letter.kind)
    if not handler.editable:
        raise Undecodable("not_editable")
    before = letter.edited
    letter.edited = message
    try:
        handler.describe(letter)
    finally:
        letter.edited = before


def is_editable(letter: DeadLetter) -> bool:
    """Whether anybody may edit it: still to be stored, and of a kind that is edited."""
    try:
        return letter.is_retriable and handler_of(letter.kind).editable
    except LookupError:
        return False
