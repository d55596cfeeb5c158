"""What the tests of live state share: updates, and what is known of a kind."""

from typing import Any

from redis import Redis

from tracking.live.state import Document, LiveUpdate, LiveWrite

WRITTEN, STALE, REFUSED = LiveWrite(written=1), LiveWrite(stale=1), LiveWrite(refused=1)


def at(ts: float, latitude: float = 54.5, longitude: float = 10.25, key: str = "211", **fields: Any) -> LiveUpdate:
    return LiveUpdate(key=key, ts=ts, latitude=latitude, longitude=longitude, fields=fields)


def known(redis: Redis, kind: str = "vessels") -> dict[str, int]:
    """How many members each set of a kind has."""
    sizes = {name: redis.zcard(f"v2:{kind}:{name}") for name in ("active", "geo", "polar")}
    return sizes | {"fields": redis.hlen(f"v2:{kind}:fields")}


def keys(documents: list[Document]) -> set[str]:
    return {document["id"] for document in documents}
