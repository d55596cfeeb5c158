r"""One line of an NMEA 0183 log or stream: is it an AIS sentence, and what does it say of time?

    \g:1-2-1278,s:66,c:1661782369*43\!AIVDM,2,1,3,A,56=nR7D…,0*66,1661782369
     tag block (optional)              sentence             checksum, suffix (optional)

Enters a line without its end; leaves a Sentence, or None for a line of another protocol. What looks like an AIS
sentence and is none raises Malformed. Text in front of the `!` is a tag block, a time, or garbage that costs nothing.
Sentences are not put together here (`ingest/formats/ais/assembler.py`), payloads not decoded
(`ingest/formats/ais/decoder.py`). Source: NMEA 0183 4.x as gpsd's AIVDM document describes it; tag blocks by IEC
62320-1 and NMEA 0183 annex C.
"""

from __future__ import annotations

import datetime as dt
import re
from contextlib import suppress

import msgspec

from ingest.errors import Malformed

_BEGINNING = re.compile(rb"![^!]{2}VD[MO],")
_EPOCH_AT_END = re.compile(rb"(?:^|[ ,;\t])(\d{10}|\d{13})\s*$")
_EPOCH_IN_FRONT = re.compile(rb"(?:^|[^\d])(\d{10}|\d{13})(\.\d{1,9})?[ ,;:\t]*$")
_ISO_IN_FRONT = re.compile(rb"(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d:\d\d)(\.\d{1,9})?(Z|[+-]\d\d:?\d\d)?[ ,;:\t]*$")
_HEX = frozenset(b"0123456789abcdefABCDEF")


class Sentence(msgspec.Struct, gc=False):
    """One sentence of an AIS message.

    `time` is when it was heard in ms since 1970, None where the line does not say; `group` is the tag block's group
    id, b"" where there is none; `text` runs from the `!` to the checksum; `void_time`: a tag block's checksum is wrong;
    `tagged`: `time` is that of a tag block; `station` is its source, b"" where it names none.
    """

    text: bytes
    total: int
    number: int
    sequence: bytes
    channel: bytes
    time: int | None = None
    group: bytes = b""
    void_time: bool = False
    tagged: bool = False
    station: bytes = b""


def parse(line: bytes) -> Sentence | None:
    """The first whole AIS sentence on this line, None for a line of another protocol. Raises Malformed.

    A cut-off sentence in front of a whole one is garbage like any other.
    """
    beginning = _BEGINNING.search(line)
    if beginning is None:
        return None
    try:
        return _sentence(line, beginning.start())
    except Malformed as error:
        for later in _BEGINNING.finditer(line, beginning.end()):
            with suppress(Malformed):
                return _sentence(line, later.start())
        raise error


def _sentence(line: bytes, start: int) -> Sentence:
    """The sentence that begins at `start`. Raises Malformed."""
    at = start + 3
    star = line.find(b"*", at)
    digits = line[star + 1 : star + 3]
    if star < 0 or len(digits) != 2 or not _HEX.issuperset(digits):
        raise Malformed("checksum_missing")
    fields = line[at:star].split(b",")
    if len(fields) != 7:
        raise Malformed("field_count")
    if checksum(line[start + 1 : star]) != int(digits, 16):
        raise Malformed("checksum_wrong")
    _, total, number, sequence, channel, _payload, _fill = fields
    if total == b"1" and number == b"1":
        sentence = Sentence(line[start : star + 3], 1, 1, sequence, channel)
    else:
        sentence = Sentence(line[start : star + 3], *_counted(total, number), sequence, channel)
    if start or len(line) > star + 3:
        _add_time(sentence, line[:start], line[star + 3 :])
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
    """The time that a `$PGHP` line gives to the sentences after it, ms since 1970; None for any other line.

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


def _counted(total: bytes, number: bytes) -> tuple[int, int]:
    """Number of sentences and place of this one, each a digit from 1 to 9."""
    if len(total) != 1 or len(number) != 1 or not b"1" <= number <= total <= b"9":
        raise Malformed("part_number")
    return int(total), int(number)


def _add_time(sentence: Sentence, prefix: bytes, suffix: bytes) -> None:
    """Take time and group from a tag block, else from an epoch behind the sentence, else from a time in front."""
    block = prefix[:-1].rpartition(b"\\")[2] if prefix.endswith(b"\\") and prefix.count(b"\\") > 1 else b""
    if block:
        _read_tag_block(sentence, block)
        prefix = prefix[: -len(block) - 2]
    if sentence.time is not None or sentence.void_time:
        return
    epoch = _EPOCH_AT_END.search(suffix) if suffix else None
    if epoch:
        sentence.time = _milliseconds(epoch[1])
    elif prefix:
        sentence.time = _time_in_front(prefix)


def _read_tag_block(sentence: Sentence, block: bytes) -> None:
    """`c:` is a time in seconds or milliseconds, `g:` a group, `s:` the station.

    A checksum of 00 counts as absent: some senders put it there whatever the block says.
    """
    body, star, digits = block.rpartition(b"*")
    if not star:
        body, digits = block, b"00"
    if not (digits == b"00" or (len(digits) == 2 and _HEX.issuperset(digits) and int(digits, 16) == checksum(body))):
        sentence.void_time = True
        return
    for field in body.split(b","):
        if field.startswith(b"c:") and field[2:].isdigit() and len(field) in (12, 15):
            sentence.time, sentence.tagged = _milliseconds(field[2:]), True
        elif field.startswith(b"g:"):
            sentence.group = field.rpartition(b"-")[2]
        elif field.startswith(b"s:"):
            sentence.station = field[2:]


def _milliseconds(digits: bytes) -> int:
    """Ten digits are seconds, thirteen milliseconds."""
    return int(digits) * 1000 if len(digits) == 10 else int(digits)


def _time_in_front(prefix: bytes) -> int | None:
    """An ISO 8601 time (UTC where it names no zone) or an epoch right before the sentence."""
    iso = _ISO_IN_FRONT.search(prefix)
    if iso:
        date, clock, fraction, zone = (part.decode() if part else "" for part in iso.groups())
        try:
            moment = dt.datetime.fromisoformat(f"{date}T{clock}{fraction[:7]}{zone or '+00:00'}")
        except ValueError:
            return None
        return round(moment.timestamp() * 1000)
    epoch = _EPOCH_IN_FRONT.search(prefix)
    if not epoch:
        return None
    return _milliseconds(epoch[1]) + (int(float(epoch[2]) * 1000) if epoch[2] and len(epoch[1]) == 10 else 0)
