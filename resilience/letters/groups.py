"""Open dead letters by fingerprint: one line for all that failed in the same way. Nothing in; bounded figures out."""

from dataclasses import dataclass
from datetime import datetime

from django.db import connection

from resilience.models import DeadLetter

GROUPS = 200
COUNTED = 10_000

# A look into the partial index `deadletter_open_groups` for each group, never a scan of the table: the next fingerprint
# after the last one, its first and last letter, and a count that stops.
_STATEMENT = """
WITH RECURSIVE found (fingerprint) AS (
    (SELECT fingerprint FROM {table} WHERE status IN ('pending', 'exhausted') ORDER BY fingerprint LIMIT 1)
    UNION ALL
    SELECT (SELECT fingerprint FROM {table}
            WHERE status IN ('pending', 'exhausted') AND fingerprint > found.fingerprint ORDER BY fingerprint LIMIT 1)
    FROM found WHERE found.fingerprint IS NOT NULL
), bounded AS (SELECT fingerprint FROM found WHERE fingerprint IS NOT NULL LIMIT %s)
SELECT bounded.fingerprint, counted.number, oldest.created_at, newest.created_at,
       newest.reason, newest.stage, newest.sqlstate, newest.message, newest.source
FROM bounded
CROSS JOIN LATERAL (
    SELECT count(*) AS number FROM (
        SELECT 1 FROM {table} WHERE status IN ('pending', 'exhausted') AND fingerprint = bounded.fingerprint LIMIT %s
    ) few
) counted
CROSS JOIN LATERAL (
    SELECT created_at FROM {table} WHERE status IN ('pending', 'exhausted') AND fingerprint = bounded.fingerprint
    ORDER BY created_at LIMIT 1
) oldest
CROSS JOIN LATERAL (
    SELECT created_at, reason, stage, sqlstate, message, source FROM {table}
    WHERE status IN ('pending', 'exhausted') AND fingerprint = bounded.fingerprint
    ORDER BY created_at DESC LIMIT 1
) newest
ORDER BY counted.number DESC, newest.created_at DESC
"""


@dataclass(frozen=True, slots=True)
class LetterGroup:
    """Open letters of one fingerprint. `count` is at most what was to be counted, `counted_all` says whether that is
    all of them; the reason and what follows are those of the newest letter."""

    fingerprint: str
    count: int
    counted_all: bool
    first_seen: datetime
    last_seen: datetime
    reason: str
    stage: str
    sqlstate: str
    message: str
    source: str


def groups(counted: int = COUNTED) -> list[LetterGroup]:
    """The groups of open letters, at most 200, the largest first; `counted` letters of each at most."""
    with connection.cursor() as cursor:
        cursor.execute(_STATEMENT.format(table=DeadLetter._meta.db_table), [GROUPS, counted + 1])
        return [
            LetterGroup(fingerprint, min(count, counted), count <= counted, *rest)
            for fingerprint, count, *rest in cursor.fetchall()
        ]
