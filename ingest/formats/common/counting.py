"""The account of the lines that an assembly reads, batch by batch, whatever the lines do to it."""

import logging
import time
from collections import Counter

from ingest.reports import LineCounts, StationTime

logger = logging.getLogger(__name__)

UNEXPECTED = "unexpected"  # the reason of a line on which our own code failed
_SILENT_SECONDS = 60.0  # between two log entries of one assembly: a line may be sent again and again


class Counting:
    """Counters that begin anew with each batch; subclasses keep lines == foreign + sum(malformed) + sentences."""

    def __init__(self) -> None:
        self._failures = 0  # since the last log entry
        self._log_at = 0.0  # monotonic seconds from which the next failure is logged
        self.reset_counts()

    def refuse(self, reason: str, before: tuple[int, int]) -> None:
        """Count the line in hand as malformed and nothing else; `before`: `foreign` and `sentences` as they were."""
        self.foreign, self.sentences = before
        self.malformed[reason] += 1
        self.lines = self.foreign + self.sentences + sum(self.malformed.values())

    def unexpected(self, error: Exception, line: bytes, before: tuple[int, int]) -> None:
        """As `refuse`, for a line on which our code failed: logged with a sample, once a minute.

        Raises MemoryError again: that is no fault of the line.
        """
        if isinstance(error, MemoryError):
            raise error
        self.refuse(UNEXPECTED, before)
        self._failures += 1
        if time.monotonic() >= self._log_at:
            logger.error("%d lines failed unexpectedly, the last: %.300r", self._failures, line[:200], exc_info=error)
            self._failures, self._log_at = 0, time.monotonic() + _SILENT_SECONDS

    def prepare(self, body: bytes) -> None:
        """All that will be fed, where it is known beforehand: some formats tell times by the last of it."""

    def clocks(self) -> list[StationTime]:
        """How the clocks of stations are used: none is judged."""
        return []

    def reset_counts(self) -> None:
        """Begin a new account, for the next batch."""
        self.lines = self.foreign = self.sentences = 0
        self.malformed: Counter[str] = Counter()
        self.remarks: Counter[str] = Counter()

    def counts(self) -> LineCounts:
        """What became of the lines since the last reset; those held back are in none of the sums yet."""
        return LineCounts(self.lines, self.foreign, self.sentences, dict(self.malformed), dict(self.remarks))
