"""What an error says of a dead letter: an exception in, its reason, text, traceback and fingerprint out.

The fingerprint is the same for letters that failed in the same way, so that a thousand of them are one line for their
operator. `next_retry` says when the next attempt is due. Nothing here reads or writes a letter.
"""

import hashlib
import random
import re
import traceback
from dataclasses import dataclass
from datetime import datetime, timedelta

import psycopg

from resilience.database.sqlstate import Verdict, classify

MAX_ATTEMPTS = 8
TRACEBACK_CHARACTERS = 8000
MESSAGE_CHARACTERS = 500
BUG = "unexpected"

_FIRST_DELAY_SECONDS = 300
_LONGEST_DELAY_SECONDS = 6 * 3600
_REASON_CODE = re.compile(r"[a-z0-9_]{1,64}")
# What PostgreSQL quotes after these words is a name of the schema, which tells faults apart; all else is a value.
_QUOTED = re.compile(r'(\b(?:relation|table|column|constraint|index|type|function) )?("[^"]*"|\'[^\']*\')')
_HEX = re.compile(r"\b(?:0x)?(?=[0-9a-f-]*\d)[0-9a-f]{4,}(?:-[0-9a-f]{4,})*\b", re.IGNORECASE)
_NUMBER = re.compile(r"[-+]?\d+(?:\.\d+)?")
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")


@dataclass(frozen=True, slots=True)
class FailureFields:
    """The fields of a letter that say why it failed, ready for PostgreSQL."""

    reason: str
    sqlstate: str
    message: str
    traceback: str
    fingerprint: str


def failure_of(error: BaseException, stage: str) -> FailureFields:
    """What `error`, raised at `stage`, says of its letter. Django's wrapper speaks for psycopg's error."""
    reason, sqlstate = _reason(error), _sqlstate(error)
    message = _storable(str(error))[:MESSAGE_CHARACTERS]
    text = _storable("".join(traceback.format_exception(error)))[-TRACEBACK_CHARACTERS:]
    return FailureFields(reason, sqlstate, message, text, fingerprint(stage, reason, sqlstate, message))


def fingerprint(stage: str, reason: str, sqlstate: str, message: str) -> str:
    """16 hexadecimal digits, the same for messages that differ in values only, on every host and version."""
    parts = "\0".join([stage, reason, sqlstate, normalised(message)])
    return hashlib.sha256(parts.encode()).hexdigest()[:16]


def normalised(message: str) -> str:
    """The first line (the rest quotes the row) with quoted values, hexadecimal and other numbers replaced by `#`."""
    line = message.partition("\n")[0]
    line = _QUOTED.sub(lambda match: f"{match[1]}{match[2]}" if match[1] else "#", line)
    return _NUMBER.sub("#", _HEX.sub("#", line))


def next_retry(attempts: int, now: datetime, rng: random.Random) -> datetime | None:
    """When to retry a letter that was retried `attempts` times: after 5 minutes doubled each time, 6 hours at most,
    times 0.5 to 1.5 so that letters of one moment spread. None after 8."""
    if attempts >= MAX_ATTEMPTS:
        return None
    seconds = min(_LONGEST_DELAY_SECONDS, _FIRST_DELAY_SECONDS * 2**attempts)
    return now + timedelta(seconds=seconds * rng.uniform(0.5, 1.5))


def _reason(error: BaseException) -> str:
    """The exception's own code, if it has one (UnicodeEncodeError's `reason`, for one, is prose); else the class of
    what PostgreSQL or its driver refused, such as `check_violation`."""
    own = getattr(error, "reason", None)
    if isinstance(own, str) and _REASON_CODE.fullmatch(own):
        return own
    if classify(error) is not Verdict.POISON:
        return BUG
    cause = next((link for link in _causes(error) if isinstance(link, psycopg.Error)), error)
    return _CAMEL.sub("_", type(cause).__name__).lower()[:64]


def _sqlstate(error: BaseException) -> str:
    return next((str(code) for link in _causes(error) if (code := getattr(link, "sqlstate", None))), "")


def _causes(error: BaseException) -> list[BaseException]:
    chain = [error]
    while (link := chain[-1].__cause__) is not None and len(chain) < 10:
        chain.append(link)
    return chain


def _storable(text: str) -> str:
    """An error about a text quotes it: PostgreSQL takes neither NUL nor a lone surrogate."""
    return text.replace("\0", "").encode(errors="replace").decode()
