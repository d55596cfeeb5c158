"""Times as loggers, receivers and services write them, in a text around a message or alone.

Enters text; leaves milliseconds since 1970, None where there is no time. UTC is meant where no zone is named. A time
that is there and cannot be read, because its year is missing or its zone has no number, raises Unreadable: who heard it
decides whether that is refused or counted, but it is never passed over in silence.
"""

from __future__ import annotations

import datetime as dt
import re

from ingest.clocks import moment

_EPOCH = rb"(\d{10}|\d{13}|\d{16}|\d{19})(?:\.(\d{1,9}))?"
_EPOCH_ALONE = re.compile(_EPOCH)
_EPOCH_AT_START = re.compile(rb"[\s\[(\"'<]*" + _EPOCH + rb"(?=[\s,;|:\])\"'>]|$)")
_EPOCH_AT_END = re.compile(rb"(?:^|(?<=[\s,;:|\[(\"'<>=/]))" + _EPOCH + rb"[\s,;:|\])\"'>]*$")
_DATE = rb"(\d{4})[-/.](\d\d)[-/.](\d\d)"
_CLOCK = rb"(\d\d:\d\d:\d\d)(?:\.(\d{1,9})\d*|,(\d{3}|\d{6})(?![\d,]))?"
_ZONE = rb"(Z\b| ?(?:UTC|GMT)\b| ?[+-]\d\d:?\d\d(?!\d)|[+-]\d\d(?!\d))?"
_ISO = re.compile(rb"(?<!\d)" + _DATE + rb"(?:T|,? {1,2}|_)" + _CLOCK + _ZONE)
_COMPACT = re.compile(rb"(?<![\d.])((?:19|20)\d{6})[T _-]?(\d{6})(?:\.(\d{1,9}))?(Z)?(?![\d.])")
# What follows a time that is the local one of somewhere: no number can be made of it.
_NAMED_ZONE = re.compile(rb" (?:[CEW]ES?T|BST|[ECMP][SD]T|MSK|[JKI]ST|A[EW][SD]T)\b")
_MONTHS = (b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec")
_MONTH = rb"(" + b"|".join(_MONTHS) + rb")"
_NAMED = re.compile(rb"(?<!\d)(\d\d?)[ /-]" + _MONTH + rb"[ /-](\d{4})(?:,? |[:T_])" + _CLOCK + _ZONE)
_CTIME = re.compile(_MONTH + rb" [ \d]?(\d) " + _CLOCK + rb"(?: (UTC|GMT))? (\d{4})(?!\d)")
_DOTTED = re.compile(rb"(?<![\d.])(\d\d?)\.(\d\d?)\.(\d{4}),? " + _CLOCK + _ZONE)
# Who writes the month first and who the day cannot be told apart.
_SLASHED = re.compile(rb"(?<![\d/])\d\d?/\d\d?/\d{4}(?:,? |T)\d\d?:\d\d")
_NO_YEAR = re.compile(
    rb"(?:^|[\s>])(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) [ \d]?\d \d\d:\d\d:\d\d(?!.{0,6} (?:19|20)\d\d\b)"
)

# Milliseconds since 1970 of what a datetime can say in any zone.
_FIRST, _LAST = (round(dt.datetime(year, 1, 1, tzinfo=dt.UTC).timestamp() * 1000) for year in (1, 9999))


class Unreadable(ValueError):
    """A time that cannot be read; `reason` is a code."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def epoch(text: bytes) -> int | None:
    """Seconds (10 digits), milliseconds, microseconds or nanoseconds since 1970, with a fraction or without."""
    found = _EPOCH_ALONE.fullmatch(text)
    return _of_digits(found[1], found[2]) if found else None


def last_in(text: bytes) -> int | None:
    """The last time that stands anywhere in `text`, or an epoch at its beginning or end. Raises Unreadable."""
    return _written_out(text) or _number_at(text, _EPOCH_AT_END) or _number_at(text, _EPOCH_AT_START)


def behind(text: bytes) -> int | None:
    """The time behind a message: an epoch at the end, else one that is written out. Raises Unreadable."""
    return _number_at(text, _EPOCH_AT_END) or _written_out(text)


def iso(text: str) -> int | None:
    """A date and time alone, as in ISO 8601, with a blank or an offset; or 14 digits. None where it is none.

    In UTC it may lie before the year 1 or after 9999, which Python's datetimes cannot say: see `iso_moment`.
    """
    try:
        return _written_out(text.encode())
    except Unreadable:
        return None


def iso_moment(text: str) -> dt.datetime | None:
    """The same as an aware datetime in UTC, of the years 1 to 9998; None also beyond them."""
    time = iso(text)
    return moment(time) if time is not None and _FIRST <= time <= _LAST else None


def _number_at(text: bytes, pattern: re.Pattern[bytes]) -> int | None:
    found = pattern.search(text) if pattern is _EPOCH_AT_END else pattern.match(text)
    return _of_digits(found[1], found[2]) if found else None


def _of_digits(digits: bytes, fraction: bytes | None) -> int:
    number = int(digits)
    if len(digits) == 10:
        return number * 1000 + _milliseconds(fraction)
    return int(number // 10 ** (len(digits) - 13))


def _milliseconds(fraction: bytes | None) -> int:
    return int((fraction or b"0")[:3].ljust(3, b"0"))


def _written_out(text: bytes) -> int | None:
    if (iso := _last(_ISO, text)) is not None:
        if not iso[7] and _NAMED_ZONE.match(text, iso.end()):
            raise Unreadable("time_zone_unknown")
        year, month, day, clock, point, comma, zone = iso.groups()
        return _moment(b"%b-%b-%bT%b" % (year, month, day, clock), point or comma, zone)
    if (compact := _last(_COMPACT, text)) is not None:
        date, clock, fraction, _ = compact.groups()
        return _moment(date + b"T" + clock, fraction, None)
    return _day_first(text) if b":" in text else None


def _day_first(text: bytes) -> int | None:
    """`14 Nov 2023 22:16:40`, `Nov 14 22:16:40 2023`, `14.11.2023 22:16:40`. Raises Unreadable."""
    if (found := _last(_NAMED, text)) is not None:
        if not found[7] and _NAMED_ZONE.match(text, found.end()):
            raise Unreadable("time_zone_unknown")
        return _date(found[3], _MONTHS.index(found[2]) + 1, found[1], found[4], found[5] or found[6], found[7])
    if (found := _last(_CTIME, text)) is not None:
        day = text[found.end(1) : found.start(3)].strip()
        return _date(found[7], _MONTHS.index(found[1]) + 1, day, found[3], found[4] or found[5], found[6])
    if (found := _last(_DOTTED, text)) is not None:
        return _date(found[3], int(found[2]), found[1], found[4], found[5] or found[6], found[7])
    if _SLASHED.search(text):
        raise Unreadable("time_day_or_month_first")
    if _NO_YEAR.search(text):
        raise Unreadable("time_without_year")
    return None


def _last(pattern: re.Pattern[bytes], text: bytes) -> re.Match[bytes] | None:
    return max(pattern.finditer(text), key=re.Match.start, default=None)


def _date(year: bytes, month: int, day: bytes, clock: bytes, fraction: bytes | None, zone: bytes | None) -> int | None:
    return _moment(b"%b-%02d-%02dT%b" % (year, month, int(day), clock), fraction, zone)


def _moment(text: bytes, fraction: bytes | None, zone: bytes | None) -> int | None:
    offset = (zone or b"").strip().decode()
    offset = "+00:00" if offset in ("", "Z", "UTC", "GMT") else offset
    try:
        at = dt.datetime.fromisoformat(text.decode() + offset)
    except ValueError:
        return None
    return round(at.timestamp()) * 1000 + _milliseconds(fraction)
