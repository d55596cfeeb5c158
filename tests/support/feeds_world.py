"""Feeds that have heard targets, as the recorder of their health writes it."""

import time

from ingest.health import keys, recorder


def heard(feed: str, *targets: int | str, ago: float = 0.0) -> None:
    """A batch of one message of each target, accepted so many seconds ago."""
    minute = recorder._UnsavedMinute()
    at = round((time.time() - ago) * 1000)
    minute.counts["messages"], minute.last_message = len(targets), at
    minute.targets.update(targets)
    recorder._send({(feed, at // keys.MINUTE_MS): minute})
