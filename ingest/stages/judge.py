"""The stage that judges: it refuses messages for what other messages of the batch say.

Checks are pure and see the whole batch. What one message alone is refused for belongs to its decoder; what needs
earlier batches belongs to the judging of history, after the rows are stored.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from ingest.stages.decode import count
from ingest.stages.work import Work

Check = Callable[[Work], Mapping[int, str]]  # the ordinals of refused messages, with the reasons

# A new check is a function and one line here.
CHECKS: tuple[Check, ...] = ()


def judge(work: Work) -> None:
    """Take the refused messages out of the batch and count them under their reasons."""
    for check in CHECKS:
        refused = check(work)
        for ordinal, decoded in work.decoded:
            if ordinal in refused:
                count(work.counts, decoded, -1)
                work.counts.rejected[refused[ordinal]] += 1
                work.refused.append((ordinal, refused[ordinal]))
        work.decoded = [entry for entry in work.decoded if entry[0] not in refused]
