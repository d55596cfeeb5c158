"""Failover: which feeds are run, where one stands in for another.

Enter the feeds and which of them run; leave those that are needed. A feed that stands in for another is run while that
one is silent or failing, or not enabled, and is left again when it is well. While nobody knows how it is, all stays as
it is.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Set

from ingest.health.reading import attach, health_of
from ingest.health.state import FeedState
from ingest.models import Feed

logger = logging.getLogger(__name__)

_DOWN = {FeedState.SILENT, FeedState.FAILING}


def needed(feeds: Iterable[Feed], running: Set[str]) -> list[Feed]:
    """The enabled feeds that are to run; `running`: labels of those that do."""
    enabled = {feed.pk: feed for feed in feeds if feed.enabled}
    primaries = [enabled[key] for key in {feed.stands_in_for_id for feed in enabled.values()} & enabled.keys() if key]
    if primaries:
        attach(primaries, time.time_ns() // 1_000_000)
    return [feed for feed in enabled.values() if _is_needed(feed, enabled.get(feed.stands_in_for_id or 0), running)]


def _is_needed(feed: Feed, primary: Feed | None, running: Set[str]) -> bool:
    if primary is None:
        return True
    health = health_of(primary)
    if health is None or not health.verdict.settled:
        return feed.source in running
    is_down = health.verdict.state in _DOWN
    if is_down != (feed.source in running):
        logger.info("feed %s %s %s", feed.source, "stands in for" if is_down else "gives way to", primary.source)
    return is_down
