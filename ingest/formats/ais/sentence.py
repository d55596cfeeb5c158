r"""One line of an NMEA 0183 log or stream: is it an AIS sentence, and what does it say of time?

    \g:1-2-1278,s:66,c:1661782369*43\!AIVDM,2,1,3,A,56=nR7D…,0*66,1661782369
     tag block (optional)              sentence             checksum, suffix (optional)

Enters a line without its end; leaves all Sentences that stand in it, and reasons for what looks like one and is none.
Text in front of the `!` is a tag block, a time (`ingest/formats/common/times.py`), or garbage that costs nothing.
Sentences are not put together here (`ingest/formats/ais/assembler.py`), payloads not decoded
(`ingest/formats/ais/decoder.py`). Source: NMEA 0183 4.x as gpsd's AIVDM document describes it; tag blocks by IEC
62320-1 and NMEA 0183 annex C.
"""

from __future__ import annotations

import datetime as dt
import re

import msgspec

from ingest.errors import Malformed
from ingest.formats.common import times

# Some loggers write $ for !, or leave it out; then the numbers behind must be there to tell it from a word.
_BEGINNING = re.compile(rb"[!$][^!$]{2}VD[MO],|(?<![^\s,;:|\\\"'>)\]])[A-Z]{2}VD[MO],(?=[1-9],[1-9],)")
_OTHER = re.compile(rb"\$(?!..VD[MO],)[A-Z]{4,6},[^*$!]{0,90}\*[0-9A-Fa-f]{2}")
_STATION_BEHIND = re.compile(rb"(?:^|,)([rb][0-9A-Za-z_-]{2,})(?=,|\s*$)")
_ALONE = (b"VDM,", b"VDO,")
_NAVIGATION = re.compile(rb"\$([A-Z]{2}(RMC|ZDA),(\d\d)(\d\d)(\d\d)(\.\d{1,9})?,([^*]*))\*([0-9A-Fa-f]{2})")
_HEX = frozenset(b"0123456789abcdefABCDEF")


class Sentence(msgspec.Struct, gc=False):
    """One sentence of an AIS message.

    `time` is when it was heard in ms since 1970, None where the line does not say; `group` is the tag block's group
    id and `station` who heard it, b"" where there is none; `text` runs from the `!` to the checksum; `void_time`: a tag
    block's checksum is wrong; `tagged`: `time` is that of a tag block; `unreadable`: why a time that is there cannot be
    read, empty if it can.
    """

    text: bytes
    total: int
    number: int
    sequence: bytes
    channel: bytes
    time: int | None = None
    group: bytes = b""
    void_time: bool = False
    station: bytes = b""
    unreadable: str = ""
    tagged: bool = False


def parse(line: bytes) -> Sentence | None:
    """The first whole AIS sentence on this line, None for a line of another protocol. Raises Malformed."""
    found = parse_all(line)
    whole = next((one for one in found if isinstance(one, Sentence)), None)
    if whole is None and found:
        raise Malformed(str(found[0]))
    return whole


def parse_all(line: bytes) -> list[Sentence | str]:
    """What stands in this line of AIS, in order: sentences, and reasons for what looks like one and is none.

    Sentences may follow each other without anything between. Where the first has a time in front, so have the others,
    and what stands between two belongs to the second; else a time between them is that of the first. A sentence that
    says no time has that of the one before.
    """
    # Most lines are one sentence and nothing in front, which needs no search.
    if line[3:7] in _ALONE and line.rfind(b"!") == 0 and line.rfind(b"VD") == 3 and b"$" not in line:
        return [_outcome(line, 0, b"", None)]
    starts = [found.start() for found in _BEGINNING.finditer(line)]
    if len(starts) <= 1:
        return [_outcome(line, start, line[:start], None) for start in starts]
    found: list[Sentence | str] = []
    before, time_in_front = 0, False
    for start, stop in zip(starts, [*starts[1:], len(line)], strict=True):
        outcome = _outcome(line[:stop], start, line[before:start], time_in_front)
        if isinstance(outcome, Sentence):
            before = start + len(outcome.text)
            time_in_front = time_in_front or (len(found) == 0 and outcome.time is not None and start > 0)
            earlier = next((one for one in reversed(found) if isinstance(one, Sentence)), None)
            if earlier is not None and outcome.time is None and not outcome.void_time:
                outcome.time = earlier.time
        found.append(outcome)
    return found


def plain(line: bytes) -> Sentence:
    """The sentence that a line is which `sentence_columns` recognised."""
    _, total, number, sequence, channel, _ = line.split(b",", 5)
    return Sentence(line, int(total), int(number), sequence, channel)


def other_sentences(line: bytes) -> int:
    """How many whole sentences of other kinds stand in this line."""
    return len(_OTHER.findall(line)) if b"$" in line else 0


def _outcome(line: bytes, start: int, prefix: bytes, time_in_front: bool | None) -> Sentence | str:
    try:
        return _sentence(line, start, prefix, time_in_front)
    except Malformed as error:
        return error.reason


def _sentence(line: bytes, start: int, prefix: bytes, time_in_front: bool | None) -> Sentence:
    """The sentence that begins at `start`; `time_in_front`: what follows it is no time of its own. Raises Malformed."""
    at = start + 3 if line[start] in b"!$" else start + 2
    star = line.find(b"*", at)
    digits = line[star + 1 : star + 3]
    if star < 0 or len(digits) != 2 or not _HEX.issuperset(digits):
        raise Malformed("checksum_missing")
    fields = line[at:star].split(b",")
    if len(fields) != 7:
        raise Malformed("field_count")
    if checksum(line[at - 2 : star]) != int(digits, 16):
        raise Malformed("checksum_wrong")
    _, total, number, sequence, channel, _payload, _fill = fields
    if total == b"1" and number == b"1":
        sentence = Sentence(line[start : star + 3], 1, 1, sequence, channel)
    else:
        sentence = Sentence(line[start : star + 3], *_counted(total, number), sequence, channel)
    if prefix or len(line) > star + 3:
        _add_time(sentence, prefix, b"" if time_in_front else line[star + 3 :])
    return sentence


def checksum(body: bytes) -> int:
    """Exclusive or of all bytes, folded in halves: a loop over the bytes costs four times as much."""
    folded = int.from_bytes(body, "big")
    if len(body) > 64:
        width = 8 << (len(body) - 1).bit_length() - 1
        while width >= 512:
            folded ^= folded >> width  # the bits above `width` are done with; what they hold no longer matters
            width >>= 1
    for width in (256, 128, 64, 32, 16, 8):
        folded ^= folded >> width
    return folded & 0xFF


def time_line(line: bytes) -> int | None:
    """The time that a `$PGHP` line gives to the sentence after it, ms since 1970; None for any other line.

    Fields: type 1, year, month, day, hour, minute, second, millisecond, …
    """
    if not line.startswith(b"$PGHP,1,"):
        return None
    try:
        year, month, day, hour, minute, second, millisecond = (int(field) for field in line.split(b",")[2:9])
        moment = dt.datetime(year, month, day, hour, minute, second, millisecond * 1000, tzinfo=dt.UTC)
    except (ValueError, OverflowError):  # the latter for numbers beyond what C can hold
        return None
    return round(moment.timestamp() * 1000)


def navigation_time(line: bytes) -> int | None:
    """The time that a navigation receiver gives in a sentence RMC or ZDA, ms since 1970; None for any other line, and
    where the receiver has no fix or the checksum is wrong.

    RMC: hhmmss.ss, A, latitude, N, longitude, E, knots, course, ddmmyy, …; ZDA: hhmmss.ss, dd, mm, yyyy, … Two digits
    of a year mean 1980 to 2079, because satellite navigation began in 1980. Source: NMEA 0183, as gpsd describes it.
    """
    found = _NAVIGATION.match(line)
    if found is None or checksum(found[1]) != int(found[8], 16):
        return None
    hour, minute, second = (int(found[place]) for place in (3, 4, 5))
    fields = found[7].split(b",")
    try:
        if found[2] == b"ZDA":
            day, month, year = map(int, fields[:3])
        else:
            day, month, year = (int(fields[7][start : start + 2]) for start in (0, 2, 4))
            year += 1900 if year >= 80 else 2000
            if fields[0] != b"A":
                return None
        moment = dt.datetime(year, month, day, hour, minute, second, tzinfo=dt.UTC)
    except (ValueError, IndexError):
        return None
    return round((moment.timestamp() + float(found[6] or 0)) * 1000)


def _counted(total: bytes, number: bytes) -> tuple[int, int]:
    """Number of sentences and place of this one, each a digit from 1 to 9."""
    if len(total) != 1 or len(number) != 1 or not b"1" <= number <= total <= b"9":
        raise Malformed("part_number")
    return int(total), int(number)


def _add_time(sentence: Sentence, prefix: bytes, suffix: bytes) -> None:
    """Take time, group and station from a tag block, else a time from behind the sentence, else from in front."""
    block = prefix[:-1].rpartition(b"\\")[2] if prefix.endswith(b"\\") and prefix.count(b"\\") > 1 else b""
    if block:
        _read_tag_block(sentence, block)
        prefix = prefix[: -len(block) - 2]
    if suffix.endswith(b"\\") and suffix.count(b"\\") > 1:
        suffix = suffix[: suffix.rindex(b"\\", 0, -1)]  # the tag block of the next sentence
    if not sentence.station and (station := _STATION_BEHIND.search(suffix) if suffix else None):
        sentence.station = station[1]
    if sentence.time is not None or sentence.void_time:
        return
    try:
        sentence.time = times.behind(suffix) if suffix else None
        if sentence.time is None and prefix:
            sentence.time = times.last_in(prefix)
    except times.Unreadable as error:
        sentence.unreadable = error.reason
    if sentence.time is not None:
        sentence.unreadable = ""


def _read_tag_block(sentence: Sentence, block: bytes) -> None:
    """`c:` is a time in seconds, with a fraction or without, or in milliseconds, `g:` a group, `s:` the station.

    A checksum of 00 counts as absent: some senders put it there whatever the block says.
    """
    body, star, digits = block.rpartition(b"*")
    if not star:
        body, digits = block, b"00"
    if not (digits == b"00" or (len(digits) == 2 and _HEX.issuperset(digits) and int(digits, 16) == checksum(body))):
        sentence.void_time = True
        return
    for field in body.split(b","):
        if field.startswith(b"c:"):
            sentence.time = times.epoch(field[2:])
            sentence.tagged = sentence.time is not None
            sentence.unreadable = "" if sentence.tagged else "time_unreadable"
        elif field.startswith(b"g:"):
            sentence.group = field.rpartition(b"-")[2]
        elif field.startswith(b"s:"):
            sentence.station = field[2:]
