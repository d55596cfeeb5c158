"""The format of a source is judged by its first bytes, and none of them is lost."""

import asyncio

import pytest

from ingest.feeds.sniffing import UnknownFormat, sniff
from ingest.models import Format
from ingest.sources.common.contract import Chunk
from tests.ingest.feeds.test_collector import Bytes
from tests.support.messages import position


def judged(*chunks):
    """The format, and all the bytes as the source gives them out afterwards."""

    async def both():
        found, source = await sniff(Bytes([Chunk(chunk, None) for chunk in chunks]), 0)
        return found, b"".join([chunk.data async for chunk in source.chunks()])

    return asyncio.run(both())


@pytest.mark.parametrize(
    "head",
    [position(), b"\\s:66,c:1661782474*36\\" + position(), b"$GPRMC,035258,A*12", b"# a comment\n\n" + position()],
)
def test_ais_is_recognised_behind_tag_blocks_comments_and_other_sentences(head):
    text = head + b"\nmore"
    assert judged(text) == (Format.NMEA, text)
    assert judged(text[:3], text[3:]) == (Format.NMEA, text)


def test_an_empty_source_is_no_error():
    assert judged() == (Format.NMEA, b"")


@pytest.mark.parametrize("chunks", [[b"what is this"], [b"x" * 3000] * 9])
def test_what_fits_no_format_is_shown(chunks):
    with pytest.raises(UnknownFormat, match=f"begins with b'{chunks[0][:5].decode()}.*--format"):
        judged(*chunks)
