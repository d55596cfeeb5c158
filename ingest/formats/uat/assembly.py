"""Lines of JSON of dump978-fa (`--json-port`, `--json-stdout`) to messages.

Enters bytes; each line that is an object with an address becomes a message as it is, heard at its
`metadata.received_at`, else when it arrived. A blank line is foreign, and so is an object without an address. What the
object says is read by `ingest/formats/uat/decoder.py`. The frames themselves (`--raw-port`) are not read here.
"""

from __future__ import annotations

import re

import msgspec

from ingest.errors import Malformed
from ingest.formats.common.contract import Setup
from ingest.formats.common.documents import epoch_ms
from ingest.formats.common.json_values import BROKEN
from ingest.formats.common.lines import LineAssembly
from ingest.reports import Message

_OBJECT = re.compile(rb'^\s*\{(?=[^\n]*"address_qualifier"\s*:)[^\n]*"address"\s*:')


class _Metadata(msgspec.Struct, gc=False):
    received_at: float | None = None


class _UatTime(msgspec.Struct, gc=False):
    address: str | None = None
    metadata: _Metadata | None = None


_read_when = msgspec.json.Decoder(_UatTime).decode


class UatAssembly(LineAssembly):
    """Lines of JSON, each an object with `address_qualifier` and `address`."""

    max_line_bytes = 8192

    def __init__(self, setup: Setup) -> None:
        super().__init__(setup.clock, setup.offset, setup.index)

    @staticmethod
    def looks_like(head: bytes) -> bool:
        """The first line is a downlink message."""
        return _OBJECT.match(head) is not None

    def take(self, line: bytes, arrival: int | None) -> Message | None:
        """A message of an aircraft. Raises Malformed."""
        if not line.strip():
            self.count_foreign()
            return None
        try:
            said = _read_when(line)
        except BROKEN as error:
            raise Malformed("json_broken") from error
        if said.address is None:
            self.count_foreign()
            return None
        message = self.message(line, epoch_ms(said.metadata.received_at if said.metadata else None), arrival)
        self.count_part()
        return message
