"""What an exception from a database or Redis call means for the batch in hand: an exception in, a Verdict out.

SQLSTATE decides, not the class: psycopg calls a deadlock OperationalError and a read-only server InternalError.
Django's wrapper carries psycopg's error as its cause, where the code is. Nothing here retries, counts or stores.
Source of the codes: PostgreSQL documentation, appendix A.
"""

import errno
import os
from collections.abc import Iterator
from enum import Enum

import django.db
import psycopg
import redis

from resilience.database.deadline import DeadlineExceeded


class Verdict(Enum):
    """What to do about an error."""

    INFRASTRUCTURE = "infrastructure"  # the other side is away: wait, keep the batch, the breaker counts it
    CONTENTION = "contention"  # it is there and busy with somebody else's rows: try again at once
    POISON = "poison"  # it refuses these very data: find the row, make it a dead letter
    BUG = "bug"  # nobody expected it: code and schema disagree, or a value that no check has foreseen
    HOST = "host"  # this host lacks memory, descriptors or disk: let another one do it, and blame nobody


_BY_CODE = {
    "57014": Verdict.INFRASTRUCTURE,  # query_canceled: statement_timeout
    "25006": Verdict.INFRASTRUCTURE,  # read_only_sql_transaction: a standby, a full disk's emergency brake
    "25P03": Verdict.INFRASTRUCTURE,  # idle_in_transaction_session_timeout
    "40P01": Verdict.CONTENTION,  # deadlock_detected
    "40001": Verdict.CONTENTION,  # serialization_failure
    "55P03": Verdict.CONTENTION,  # lock_not_available
    "21000": Verdict.BUG,  # cardinality_violation: the batch held one key twice, it was not folded
}
_BY_PREFIX = {
    "08": Verdict.INFRASTRUCTURE,  # connection exceptions; 08P01 is PgBouncer giving up on its server
    "53": Verdict.INFRASTRUCTURE,  # insufficient resources: disk full, too many connections
    "57P": Verdict.INFRASTRUCTURE,  # shutting down, starting up, crashed
    "58": Verdict.INFRASTRUCTURE,  # system error: I/O
    "XX": Verdict.INFRASTRUCTURE,  # internal error, corruption
    "28": Verdict.INFRASTRUCTURE,  # invalid authorization
    "3D": Verdict.INFRASTRUCTURE,  # the database does not exist (yet)
    "22": Verdict.POISON,  # data exception
    "23": Verdict.POISON,  # integrity constraint violation
}
_HOST_LACKS = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOSPC, errno.EDQUOT})
_HOST_LACKS_WORDS = tuple(os.strerror(number) for number in _HOST_LACKS)  # libpq tells nothing else of them
_REDIS_AWAY = (
    redis.ConnectionError,  # includes a server that is still loading its data
    redis.TimeoutError,
    redis.exceptions.OutOfMemoryError,
    redis.exceptions.ReadOnlyError,
)


def classify(error: BaseException) -> Verdict:
    """The verdict on `error`, which may be psycopg's, Django's wrapper, redis-py's or anything else.

    What nobody knows is a BUG: the batch is kept, whereas POISON would take it apart.
    """
    chain = list(_causes(error))
    if any(map(_is_of_this_host, chain)):
        return Verdict.HOST
    if any(isinstance(link, (DeadlineExceeded, *_REDIS_AWAY)) for link in chain):
        return Verdict.INFRASTRUCTURE
    for link in chain:
        if isinstance(link, psycopg.Error):
            return _of_sqlstate(link) if link.sqlstate else _of_client_error(link)
    if any(isinstance(link, UnicodeEncodeError) for link in chain):
        return Verdict.POISON  # a lone surrogate: text that UTF-8 cannot say
    if any(isinstance(link, (django.db.OperationalError, django.db.InterfaceError)) for link in chain):
        return Verdict.INFRASTRUCTURE
    return Verdict.BUG


def is_outage(error: BaseException) -> bool:
    """Whether `error` speaks against the other side's health; everything else proves that it answered."""
    return classify(error) is Verdict.INFRASTRUCTURE


def _is_of_this_host(error: BaseException) -> bool:
    """Whether this machine refused something that has nothing to do with the other side or the data."""
    if isinstance(error, psycopg.OperationalError):
        return error.sqlstate is None and any(words in str(error) for words in _HOST_LACKS_WORDS)
    if isinstance(error, OSError):
        return error.errno in _HOST_LACKS
    if isinstance(error, RuntimeError):
        return "can't start new thread" in str(error)
    return isinstance(error, MemoryError)


def _causes(error: BaseException) -> Iterator[BaseException]:
    link: BaseException | None = error
    seen: set[int] = set()
    while link is not None and id(link) not in seen:
        seen.add(id(link))
        yield link
        link = link.__cause__


def _of_sqlstate(error: psycopg.Error) -> Verdict:
    code = error.sqlstate or ""
    if code == "23514" and not error.diag.constraint_name:
        return Verdict.BUG  # "no partition of relation found for row": DDL is late, the row is good
    if code == "53200" and _is_lock_table_full(error):
        return Verdict.BUG  # waiting does not help, max_locks_per_transaction does
    if code in _BY_CODE:
        return _BY_CODE[code]
    return next((verdict for prefix, verdict in _BY_PREFIX.items() if code.startswith(prefix)), Verdict.BUG)


def _is_lock_table_full(error: psycopg.Error) -> bool:
    """The hint names the setting in every language of the server; the message is translated."""
    return "max_locks_per_transaction" in (error.diag.message_hint or "")


def _of_client_error(error: psycopg.Error) -> Verdict:
    """psycopg's own errors, raised before or without an answer of the server."""
    if isinstance(error, (psycopg.OperationalError, psycopg.InterfaceError)):
        return Verdict.INFRASTRUCTURE
    if isinstance(error, psycopg.DataError) and "NUL" in str(error):
        return Verdict.POISON
    return Verdict.BUG  # "cannot dump lists of mixed types", wrong placeholders: the caller's mistake
