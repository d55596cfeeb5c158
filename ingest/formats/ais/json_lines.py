"""Lines of JSON that hold AIS sentences: AIS-catcher's, those of loggers and relays, and arrays of sentences.

    {"class":"AIS","device":"AIS-catcher","rxuxtime":1700000201.5,"nmea":["!AIVDM,2,1,1,B,…","!AIVDM,2,2,1,B,…"]}
    ["!AIVDM,1,1,,A,…", "!AIVDM,1,1,,B,…"]

Enters a line; leaves what belongs together: the sentences of one object or array, and the time that the object gives.
Sentences are looked for in every text of the document, however deep, so nobody has to be known by name; what others
decoded is not read. An object that AIS-catcher wrote without its sentences is told apart, because a message is lost.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, NamedTuple

import msgspec

from ingest.formats.common import times
from ingest.formats.common.documents import epoch_ms
from ingest.formats.common.json_values import BROKEN

# By precedence: seconds before texts, because they have a fraction.
TIME_KEYS = (
    *("rxuxtime", "rxtime", "received_at", "receivedAt", "timestamp", "time", "ts", "date", "msgtime"),
    *("__REALTIME_TIMESTAMP", "@timestamp", "datetime", "epoch", "t"),
)
_SENTENCE = re.compile(r"[!$]..VD[MO],")
_MAX_DEPTH = 16

_read = msgspec.json.Decoder().decode


class JsonSentences(NamedTuple):
    """Sentences of one object; `time` in ms since 1970, None where it gives none or one that cannot be."""

    sentences: list[str]
    time: int | None


def read(line: bytes) -> list[JsonSentences] | None:
    """The entries of a document, empty where it holds no sentence; None where the line is no JSON document."""
    text = line.strip(b" \t,")
    if text[:1] not in (b"{", b"["):
        return None
    try:
        document = _read(text)
    except BROKEN:
        return None
    return list(_entries(document, None, 0))


def lacks_sentences(line: bytes) -> bool:
    """Whether it is a message that AIS-catcher heard, without the sentences."""
    return b'"class":"AIS"' in line.replace(b" ", b"") and (b'"rxtime"' in line or b'"rxuxtime"' in line)


def heard_at(document: dict[str, Any]) -> int | None:
    """When an object says that it was heard, in ms since 1970."""
    for key in TIME_KEYS:
        value = document.get(key)
        if isinstance(value, bool) or value is None:
            continue
        time = times.iso(value) or times.epoch(value.encode()) if isinstance(value, str) else _number(value)
        if time is not None:
            return time
    return None


def _number(value: Any) -> int | None:
    return epoch_ms(value) if isinstance(value, int | float) else None


def _entries(value: Any, time: int | None, depth: int) -> Iterator[JsonSentences]:
    if depth > _MAX_DEPTH:
        return
    if isinstance(value, dict):
        time = heard_at(value) or time
        value = list(value.values())
    elif isinstance(value, str):
        value = [value]
    if not isinstance(value, list):
        return
    texts = [one for one in value if isinstance(one, str) and _SENTENCE.search(one)]
    if texts:
        yield JsonSentences(texts, time)
    for one in value:
        if isinstance(one, dict | list):
            yield from _entries(one, time, depth + 1)
