"""One way to wait for what is away: try, pause, try again, and say once that it is so and once that it is over."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import TypeVar

T = TypeVar("T")

logger = logging.getLogger(__name__)

PAUSES_SECONDS = (0.5, 1.0, 2.0, 5.0)


class Interrupted(Exception):
    """The wait was ended before the attempt succeeded."""


def until_done(
    attempt: Callable[[], T],
    is_cured_by_waiting: Callable[[Exception], bool],
    interrupted: Callable[[float], bool],
    complaint: str,
    pauses: Sequence[float] | None = None,
) -> T:
    """What `attempt` returns, once it succeeds; the last of the `pauses` (seconds) is repeated; None: PAUSES_SECONDS.

    `interrupted` waits for so many seconds and says whether to give up, as threading.Event.wait does. `complaint` is
    logged at the first failure. Raises Interrupted, and what waiting does not cure.
    """
    tries, pauses = 0, pauses or PAUSES_SECONDS
    while True:
        try:
            result = attempt()
        except Exception as error:
            if not is_cured_by_waiting(error):
                raise
            if tries == 0:
                logger.warning("%s, waiting: %s", complaint, error)
            pause = pauses[min(tries, len(pauses) - 1)]
            tries += 1
            if interrupted(pause):
                raise Interrupted from error
            continue
        if tries:
            logger.warning("no longer: %s", complaint)
        return result
