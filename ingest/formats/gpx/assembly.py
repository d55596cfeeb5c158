"""GPX to messages: each track point is one, with the name of its track.

    <trk><name>211000001</name><trkseg><trkpt lat="54.5" lon="10.2"><time>2026-05-01T12:00:00Z</time>…

Enters bytes; leaves the elements `trkpt` as they were received, each heard at its `time`. `added` says whose: the
name of the track, nine digits of an MMSI or the ICAO address. Tags are read one by one and no document is parsed, so
entities that grow and other files can do nothing here. A "line" of the account is a tag with the text in front of it:
those of other elements are foreign, those of a point count once, at its end. Reasons: `identity_missing` (a track
without such a name), `time_missing`, `time_unreadable`, `point_broken`, `line_too_long`. A recording is resumed at the
beginning of a track, because its name stands only there. Source: GPX 1.1, topografix.com/GPX/1/1.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import msgspec

from ingest.errors import Malformed
from ingest.formats.common import times
from ingest.formats.common.contract import Setup
from ingest.formats.common.framing import TOO_LONG
from ingest.formats.common.lines import LineAssembly
from ingest.formats.common.track_points import TrackOf, is_name
from ingest.reports import Message

MAX_POINT_BYTES = 4096
_TAG = re.compile(rb"<(/?)(?:\w+:)?(\w+)[^<>]*?(/?)>\Z", re.DOTALL)
_TIME = re.compile(rb"<time>\s*([^<>]{1,64}?)\s*</time>")
_LOOKS = re.compile(rb"^\s*(?:<\?xml[^>]*>\s*)?(?:<!--.{0,1000}?-->\s*)?<gpx[\s>]", re.DOTALL)


class TagFramer:
    """Cuts a byte stream behind each `>`, as `LineFramer` cuts at line ends; what is too long leaves as TOO_LONG."""

    def __init__(self, max_bytes: int) -> None:
        self._max = max_bytes
        self._rest = b""
        self._dropped = 0

    def feed(self, chunk: bytes) -> list[tuple[bytes, int]]:
        """The tags that `chunk` completes, each with the text in front of it and the bytes it took."""
        *complete, rest = chunk.split(b">")
        tags = [self._cut(self._rest + part + b">") for part in complete]
        self._rest += rest
        if self._dropped or len(self._rest) > self._max:
            self._dropped, self._rest = self._dropped + len(self._rest), b""
        return tags

    def flush(self) -> list[tuple[bytes, int]]:
        """What is left."""
        return [self._cut(self._rest)] if self._rest or self._dropped else []

    def _cut(self, text: bytes) -> tuple[bytes, int]:
        size, is_long = len(text) + self._dropped, bool(self._dropped) or len(text) > self._max
        self._rest, self._dropped = b"", 0
        return (TOO_LONG if is_long else text), size


class GpxAssembly(LineAssembly):
    """Points of the tracks of GPX files, one after the other."""

    def __init__(self, setup: Setup) -> None:
        super().__init__(setup.clock, setup.offset, setup.index)
        self._framer = TagFramer(MAX_POINT_BYTES)  # type: ignore[assignment]  # the same, of tags
        self._end_track()

    @staticmethod
    def looks_like(head: bytes) -> bool:
        """The root element."""
        return _LOOKS.match(head) is not None

    def resume_at(self) -> tuple[int, int]:
        """Where the track in hand begins, else behind the last one."""
        return self._resume

    def cut(self, arrival: int | None) -> Iterator[Message]:
        """The point and the track in hand end here."""
        yield from super().cut(arrival)
        self._end_track()

    def _end_track(self) -> None:
        self._resume = self.offset, self.index
        self._name = b""
        self._is_track = False
        self._point: bytes | None = None

    def take(self, line: bytes, arrival: int | None) -> Message | None:
        """A tag to the message it completes. Raises Malformed."""
        tag = _TAG.search(line)
        if tag is not None and self._ends_point(line, tag):
            point, self._point = self._point or b"", None
            return self._message(point, arrival)
        self.count_foreign()
        if len(self._point or b"") > MAX_POINT_BYTES:
            self._point = None
            raise Malformed("point_broken")
        return None

    def _ends_point(self, line: bytes, tag: re.Match[bytes]) -> bool:
        """Go on by a tag; whether it completes a point."""
        closing, name, alone = tag.groups()
        if name == b"trk":
            self._end_track()
            self._is_track = not closing and not alone
            self._resume = self.offset - len(line) if self._is_track else self.offset, self.index
        elif name == b"name" and closing and self._is_track and self._point is None and not self._name:
            self._name = line[: tag.start()].strip()
        elif name == b"trkpt" and not closing:
            self._point, line = b"", line[tag.start() :]
        if self._point is None:
            return False
        self._point += line
        return name == b"trkpt" and bool(closing or alone)

    def _message(self, point: bytes, arrival: int | None) -> Message:
        name = self._name.decode(errors="replace")
        if not is_name(name):
            raise Malformed("identity_missing")
        if (said := _TIME.search(point)) is None:
            raise Malformed("time_missing")
        time = times.iso(said[1].decode(errors="replace"))
        if time is None:
            raise Malformed("time_unreadable")
        self.count_part()
        return self.message(point, time, arrival, msgspec.json.encode(TrackOf(name)))
