"""The account of the lines that an assembly reads, batch by batch."""

from collections import Counter

from ingest.reports import LineCounts


class Counting:
    """Counters that begin anew with each batch; who counts promises lines == foreign + sum(malformed) + sentences."""

    def __init__(self) -> None:
        self.reset_counts()

    def reset_counts(self) -> None:
        """Begin a new account, for the next batch."""
        self.lines = self.foreign = self.sentences = 0
        self.malformed: Counter[str] = Counter()
        self.remarks: Counter[str] = Counter()

    def counts(self) -> LineCounts:
        """What became of the lines since the last reset; those held back are in none of the sums yet."""
        return LineCounts(self.lines, self.foreign, self.sentences, dict(self.malformed), dict(self.remarks))
