"""Live state: the newest of every vessel, aircraft and station, as RedisJSON documents that expire.

In: updates, one a target, folded over a batch. Out: documents by key, by box and by change. Each kind has, in the Redis
behind the cache alias "live" (here vessels; aircraft and stations alike):

    v2:vessel:{key}     the document
    v2:vessels:active   sorted set of every target, by the document's ts: newest wins by it, and the reaper goes by it
    v2:vessels:geo      positions below 85.05112878 degrees of latitude, the limit of GEOADD
    v2:vessels:polar    sorted set of the targets beyond it, by latitude
    v2:vessels:fields   hash of which dynamic fields each document has, by which write.lua keeps `ages`

A document is {"id", "ts", "lat", "lon", dynamic fields, "ages", static fields}. `ts` is the event time of the newest
dynamic value, epoch seconds; `ages` holds the event time of each field (or "position") whose value is older than `ts`,
so a field without an age is as fresh as `ts`. Who reads gets no value that is LIVE_TTL_SECONDS older than `ts`: fields
expire one by one, as documents do. A document lives until `ts` + LIVE_TTL_SECONDS, by the server's clock.
One that lies ahead of that clock loses to a report that is not and is nearer to it, so a clock set back freezes no
target. A target known by static reports alone has the `ts` of the newest of them and no position, and takes any dynamic
value that follows, even a slightly older one. Numbers come back as they were written up to 15 significant digits;
RedisJSON's parser can miss the last bit of longer ones (under a nanometre of a position).

Does not decode, validate or fuse, and keeps no history: all of it can be rebuilt from PostgreSQL. Errors of Redis
(redis.RedisError) reach the caller, who has the breaker.
"""

import enum
import functools
import hashlib
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import msgspec
from django.conf import settings
from django_redis import get_redis_connection

Document = dict[str, Any]
Box = tuple[float, float, float, float]

LEAD_SECONDS = 60  # a report further ahead of the server's clock would stay the newest until its time has come
TARGETS_PER_CALL = 250  # other clients wait about 2 ms behind a call of this size, 12 ms behind one of 1,000
DOCUMENTS_PER_READ = 1000
EARTH_RADIUS_M = 6372797.560856  # of the sphere that Redis measures on
GEO_LIMIT = 85.05112878
CHANGES = "v2:changes"  # the log of written keys, of all kinds (`tracking/live/mirror.py`)

WRITE = Path(__file__).with_name("write.lua").read_text()
REAP = Path(__file__).with_name("reap.lua").read_text()
_WRITE_SHA = hashlib.sha1(WRITE.encode(), usedforsecurity=False).hexdigest()


class _DocumentPosition(msgspec.Struct):
    """What a document says of its position, and whether it has what every document leaves with."""

    ts: float
    id: str | None = None
    lat: float | None = None
    lon: float | None = None
    ages: msgspec.Raw = msgspec.Raw()  # no union: one with Raw refuses objects

    def lies_in(self, box: Box) -> bool:
        """Whether the position lies in the box itself, borders included."""
        _, south, _, north = box
        if self.lat is None or self.lon is None or not south <= self.lat <= north:
            return False
        return any(west <= self.lon <= east for west, east in _spans(box))

    def completed(self, key: str, document: bytes) -> bytes:
        """The document's JSON with `id` and `ages`, which are not always kept, and without what has expired."""
        if len(ages := bytes(self.ages)) > 2 and (expired := expired_of(self.ts, _times.decode(ages))):
            if "position" in expired:
                self.lat = self.lon = None
            return msgspec.json.encode(_without(expired, {"id": key} | _document.decode(document)))
        missing = b"" if self.id is not None else b'"id":' + msgspec.json.encode(key) + b","
        missing += b"" if bytes(self.ages) else b'"ages":{},'
        return b"{" + missing + document[1:] if missing else document


_places = msgspec.json.Decoder(list[_DocumentPosition])
_times = msgspec.json.Decoder(dict[str, float])
_document = msgspec.json.Decoder(Document)
_documents = msgspec.json.Decoder(list[Document])


class LiveKind(enum.StrEnum):
    """What has live state; the value is the singular in its keys."""

    VESSEL = "vessel"
    AIRCRAFT = "aircraft"
    STATION = "station"


# The dynamic fields of each kind. Their places are bits in `fields`: names are only ever added, at the end, at most 15.
FIELDS = {
    LiveKind.VESSEL: ("position", "source", "score", "speed", "course", "heading", "status"),
    LiveKind.AIRCRAFT: (
        "position",
        "source",
        "score",
        "altitude",
        "ground_speed",
        "heading",
        "vertical_rate",
        "on_ground",
    ),
    LiveKind.STATION: ("position", "source", "score"),
}


class LiveUpdate(msgspec.Struct):
    """What a batch tells of one target.

    `ts` is the event time of the newest dynamic value, epoch seconds; of the static values, where there is nothing
    else. `latitude` and `longitude` are WGS 84 degrees, None together. `fields` are the dynamic values present besides
    the position, never None, with names from FIELDS. `ages` is the event time of those fields, or of "position", that
    are older than `ts`. `static` values have names of their own, are written without a comparison and do not move the
    time of dynamic ones.
    """

    key: str
    ts: float
    latitude: float | None = None
    longitude: float | None = None
    fields: dict[str, Any] = {}
    ages: dict[str, float] = {}
    static: dict[str, Any] = {}


class LiveWrite(msgspec.Struct, frozen=True):
    """How many updates were written, were stale (not newer than the document; their static values are merged all the
    same), and were refused (older than the TTL or over 60 s ahead; nothing of them is written)."""

    written: int = 0
    stale: int = 0
    refused: int = 0


class LiveState:
    """The live targets of one kind. Safe for any number of concurrent writers and readers: each call is atomic by
    chunks of 250 targets, and readers see whole documents."""

    def __init__(self, kind: LiveKind) -> None:
        plural = {LiveKind.VESSEL: "vessels", LiveKind.AIRCRAFT: "aircraft", LiveKind.STATION: "stations"}[kind]
        self.kind, self.prefix = kind, f"v2:{kind}:"
        self.active, self.geo, self.polar, self.fields = self._sets = tuple(
            f"v2:{plural}:{name}" for name in ("active", "geo", "polar", "fields")
        )

    def write(self, updates: Iterable[LiveUpdate]) -> LiveWrite:
        """Write each update that is newer than its document, in one round trip whatever their number.

        Raises ValueError, before anything is written, for a latitude outside ±90, a longitude outside ±180, half a
        position, a time that is no number, a field that is None or unknown, or an age of what the update does not give.
        """
        targets = [_target(self.kind, update) for update in updates]
        if not targets:
            return LiveWrite()
        pipeline = get_redis_connection("live").pipeline(transaction=False)
        pipeline.script_load(WRITE)  # costs less than asking whether a restart or SCRIPT FLUSH has removed it
        for start in range(0, len(targets), TARGETS_PER_CALL):
            chunk = msgspec.msgpack.encode(targets[start : start + TARGETS_PER_CALL])
            arguments = (self.prefix, settings.LIVE_TTL_SECONDS, LEAD_SECONDS, chunk, *FIELDS[self.kind])
            pipeline.evalsha(_WRITE_SHA, len(self._sets) + 1, *self._sets, CHANGES, *arguments)
        _, *counts = pipeline.execute()
        return LiveWrite(*map(sum, zip(*counts, strict=True)))

    def get(self, key: str) -> Document | None:
        """The document of `key`; None when nothing has been heard of it for the TTL."""
        return self.get_many([key]).get(key)

    def get_many(self, keys: Iterable[str]) -> dict[str, Document]:
        """The live documents among `keys`, by key, in the order given."""
        return {document["id"]: document for document in self._read(keys)}

    def in_box(self, west: float, south: float, east: float, north: float, limit: int | None = None) -> list[Document]:
        """Documents whose position lies in the box, borders included, in no order; at most `limit`.

        Degrees, WGS 84. West greater than east crosses the antimeridian. Raises ValueError for a box off the globe.
        """
        box = (west, south, east, north)
        return list(islice(_within(box, self._read(self._near(box))), limit))

    def encoded_in_box(self, west: float, south: float, east: float, north: float, limit: int) -> list[bytes]:
        """As in_box, but each document as its JSON: nothing but positions is decoded, nothing is encoded again."""
        box = (west, south, east, north)
        found = (raw for raw, place in self.encoded(self._near(box)) if place.lies_in(box))
        return list(islice(found, limit))

    def changed_since(self, ts: float, bbox: Box | None = None, limit: int = 5000) -> list[Document]:
        """Documents whose `ts` is after `ts` (epoch seconds), oldest first, at most `limit`; only those in `bbox`
        (west, south, east, north, as for in_box) if given.

        Goes by event time: whoever polls asks again for as many seconds as the slowest feed is late. Static values
        that come alone are no change, and a target that leaves the box is not told of.
        """
        keys = self.keys_since(ts)
        if bbox is None:
            return list(islice(self._read(keys), limit))
        near = set(self._near(bbox))
        return list(islice(_within(bbox, self._read(key for key in keys if key in near)), limit))

    def keys_since(self, ts: float) -> list[str]:
        """Keys of the documents whose `ts` is after `ts` (epoch seconds), oldest first; some may have expired."""
        return _texts(get_redis_connection("live").zrange(self.active, f"({ts!r}", "+inf", byscore=True))

    def count(self) -> int:
        """Number of live targets, by the server's clock; those the reaper has yet to forget are not counted."""
        client = get_redis_connection("live")
        seconds, microseconds = client.time()
        dead_since = seconds + microseconds / 1e6 - settings.LIVE_TTL_SECONDS
        return int(client.zcount(self.active, f"({dead_since!r}", "+inf"))

    def reap(self, limit: int = 5000) -> int:
        """Forget targets whose document has expired, oldest first, and those a TTL or more ahead of the server's clock,
        at most `limit` of either; returns how many they were."""
        reap = get_redis_connection("live").register_script(REAP)
        return int(reap(keys=self._sets, args=(self.prefix, settings.LIVE_TTL_SECONDS, limit)))

    def clear(self) -> None:
        """Forget everything of this kind."""
        client = get_redis_connection("live")
        keys = client.scan_iter(match=f"{self.prefix}*", count=DOCUMENTS_PER_READ)
        for some in _chunks(keys, DOCUMENTS_PER_READ):
            client.unlink(*some)
        client.unlink(*self._sets, CHANGES)

    def _read(self, keys: Iterable[str]) -> Iterator[Document]:
        """The documents that live, in pieces that keep other clients waiting for a few milliseconds at most."""
        client = get_redis_connection("live")
        for some in _chunks(keys, DOCUMENTS_PER_READ):
            replies = client.execute_command("JSON.MGET", *(self.prefix + key for key in some), "$")
            for key, reply in zip(some, replies, strict=True):
                if reply is not None:
                    document = {"id": key, "ages": {}} | _documents.decode(reply)[0]
                    ages = document["ages"]
                    yield _without(expired_of(document["ts"], ages), document) if ages else document

    def encoded(self, keys: Iterable[str]) -> Iterator[tuple[bytes, "_DocumentPosition"]]:
        """The documents that live, each as JSON and its position."""
        client = get_redis_connection("live")
        for some in _chunks(keys, DOCUMENTS_PER_READ):
            replies = client.execute_command("JSON.MGET", *(self.prefix + key for key in some), "$")
            for key, reply in zip(some, replies, strict=True):
                if reply is not None:
                    place = _places.decode(reply)[0]
                    yield place.completed(key, reply[1:-1]), place  # in this order: what has expired has no place

    def _near(self, box: Box) -> Iterable[str]:
        """Keys of all the targets in the box and of a few beside it."""
        pipeline = get_redis_connection("live").pipeline(transaction=False)
        _, south, _, north = box
        for west, east in _spans(box):
            if south < GEO_LIMIT and north > -GEO_LIMIT:
                pipeline.geosearch(self.geo, **_area(west, max(south, -GEO_LIMIT), east, min(north, GEO_LIMIT)))
        if north >= GEO_LIMIT or south <= -GEO_LIMIT:
            pipeline.zrange(self.polar, south, north, byscore=True)
        # A cell of GEOSEARCH can come twice, and so can what lies in both halves of a box over the antimeridian.
        return dict.fromkeys(key for keys in pipeline.execute() for key in _texts(keys))


def expired_of(ts: float, ages: Mapping[str, float]) -> list[str]:
    """The fields, or "position", whose value is a TTL older than the newest of their document."""
    limit = ts - settings.LIVE_TTL_SECONDS
    return [name for name, at in ages.items() if at <= limit]


def members_of(name: str) -> tuple[str, ...]:
    """What a document calls a field, or "position"."""
    return ("lat", "lon") if name == "position" else (name,)


def _without(expired: Iterable[str], document: Document) -> Document:
    """The document without these fields and their ages."""
    for name in expired:
        del document["ages"][name]
        for member in members_of(name):
            document.pop(member, None)
    return document


def _target(kind: LiveKind, update: LiveUpdate) -> tuple[Any, ...]:
    """An update as write.lua takes it: {key, ts, latitude, longitude, fields, ages, document, static}."""
    _check(update)
    document: Document = {"id": update.key, "ts": update.ts}
    if update.latitude is not None:
        document |= {"lat": update.latitude, "lon": update.longitude}
    document |= update.fields
    try:
        fields = _bits(kind, tuple(update.fields), update.latitude is not None, tuple(update.ages))
    except KeyError as unknown:
        raise ValueError(f"{update.key}: no dynamic field of a live {kind}: {unknown}") from None
    ages = _json(update.ages)[1:-1] if update.ages else ""
    static = _json(update.static) if update.static else ""
    return update.key, update.ts, update.latitude, update.longitude, fields, ages, _json(document), static


def _check(update: LiveUpdate) -> None:
    latitude, longitude = update.latitude, update.longitude
    if latitude is not None and longitude is not None:
        if not (-90 <= latitude <= 90 and -180 <= longitude <= 180):
            raise ValueError(f"{update.key}: position out of range: {latitude}, {longitude}")
    elif latitude is not longitude:
        raise ValueError(f"{update.key}: latitude and longitude go together")
    if not math.isfinite(update.ts):
        raise ValueError(f"{update.key}: ts is no time: {update.ts}")
    if None in update.fields.values():
        raise ValueError(f"{update.key}: a dynamic field that is not known is left out, not None")
    if any(name not in update.fields and (name != "position" or latitude is None) for name in update.ages):
        raise ValueError(f"{update.key}: an age without its value: {update.ages}")


@functools.lru_cache(maxsize=1024)
def _bits(kind: LiveKind, names: tuple[str, ...], has_position: bool, older: tuple[str, ...]) -> int:
    """The fields as write.lua compares them: those older than ts 15 bits above the others. Raises KeyError."""
    given = {*names, "position"} if has_position else {*names}
    bits = {name: 1 << place for place, name in enumerate(FIELDS[kind])}
    return sum(bits[name] << 15 if name in older else bits[name] for name in given)


def _json(value: Mapping[str, Any]) -> str:
    return msgspec.json.encode(value).decode()


def _spans(box: Box) -> list[tuple[float, float]]:
    """The box's longitudes as one span, or as two where it crosses the antimeridian."""
    west, south, east, north = box
    if not (-90 <= south <= north <= 90 and -180 <= west <= 180 and -180 <= east <= 180):
        raise ValueError(f"no box on the globe (west, south, east, north): {box}")
    return [(west, east)] if west <= east else [(west, 180.0), (-180.0, east)]


def _area(west: float, south: float, east: float, north: float) -> dict[str, Any]:
    """GEOSEARCH's arguments for an area that holds the box: it compares distances, not degrees.

    The box is widest where it is nearest to the equator; the arc along the parallel is never shorter than the great
    circle that Redis measures. What is added covers the 52 bits in which Redis keeps a position.
    """
    nearest = 0.0 if south <= 0 <= north else min(abs(south), abs(north))
    width = EARTH_RADIUS_M * math.cos(math.radians(nearest)) * math.radians(east - west)
    height = EARTH_RADIUS_M * math.radians(north - south)
    centre = {"longitude": (west + east) / 2, "latitude": (south + north) / 2}
    return centre | {"width": width * 1.001 + 10, "height": height * 1.001 + 10, "unit": "m"}


def _within(box: Box, documents: Iterable[Document]) -> Iterator[Document]:
    """Those whose position lies in the box itself, borders included."""
    _, south, _, north = box
    spans = _spans(box)
    for document in documents:
        if "lat" in document and south <= document["lat"] <= north:
            longitude = document["lon"]
            if any(west <= longitude <= east for west, east in spans):
                yield document


def _chunks(items: Iterable[Any], size: int) -> Iterator[list[Any]]:
    iterator = iter(items)
    while chunk := list(islice(iterator, size)):
        yield chunk


def _texts(keys: Sequence[bytes]) -> list[str]:
    return [key.decode() for key in keys]
