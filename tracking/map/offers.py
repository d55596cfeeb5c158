"""What other apps tell the map, without being imported: every AppConfig that has one of these methods is asked for it.

    feed_standings()         the feeds as FeedStandings
    feed_reach_days()        (label, day) of each feed whose reach is known; the day in ISO format
    feed_reach(feed)         at most one FeedReach
    heard_by(feed)           identities that a feed has heard lately, whoever won
    feeds_that_heard(key)    labels of the feeds that have heard an identity lately
    why_not_here(kind, key, user)    Findings about an identity

They may raise errors of the servers behind them, such as redis.RedisError.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal, TypedDict

from django.apps import apps


class ClocksStanding(TypedDict):
    """The clocks of a feed's stations that were judged: how many there are, of how many the offset is taken off, and
    of how many the arrival counts. `ahead`: seconds of the largest offset, negative behind; 0 where there is none."""

    stations: int
    corrected: int
    ahead: float
    disbelieved: int


class FeedStanding(TypedDict):
    """How a feed is: `state` as its health names it, `since` epoch seconds of its last message, None: never; `clocks`
    None where none was judged."""

    feed: str
    state: str
    well: bool
    since: float | None
    clocks: ClocksStanding | None


class FeedReach(TypedDict):
    """How far a feed heard on a day (ISO, UTC) around its antenna (degrees), by sectors clockwise from north.

    `furthest`: nautical miles of the furthest position; `usual`: of 95 of 100. Both 0 where nothing was heard. East and
    north are counted flat, by the cosine of the antenna's latitude.
    """

    feed: str
    day: str
    lat: float
    lon: float
    furthest: list[float]
    usual: list[float]


class Finding(TypedDict):
    """One answer to why a target is not on the map: what was looked at, how it is, and where to read on."""

    title: str
    state: Literal["good", "warn", "none"]
    text: str
    link: str


def asked(method: str, *arguments: Any) -> Iterator[Any]:
    """The answers of all apps that have the method, one after the other."""
    for config in apps.get_app_configs():
        if hasattr(config, method):
            yield from getattr(config, method)(*arguments)


def finding(title: str, state: Literal["good", "warn", "none"], text: str, link: str = "") -> Finding:
    return {"title": title, "state": state, "text": text, "link": link}
