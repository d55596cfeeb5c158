"""Whole messages between a backfill and its workers, over a pair of sockets.

Enters and leaves bytes, each message with its length in front (four bytes, big-endian). The parent's end never blocks:
it serves many workers, one of which may be busy, frozen or dead. A worker's end waits. What the bytes mean is not known
here.
"""

from __future__ import annotations

import socket
import struct
from collections import deque

_LENGTH = struct.Struct(">I")
_READ_BYTES = 65536


class Channel:
    """The parent's end."""

    def __init__(self, end: socket.socket) -> None:
        end.setblocking(False)
        self._end = end
        self._out: deque[memoryview] = deque()
        self._in = bytearray()

    def fileno(self) -> int:
        """For a selector."""
        return self._end.fileno()

    def put(self, message: bytes) -> None:
        """Send as much as the other side takes now; the rest stays for `flush`. Raises OSError when it is gone."""
        self._out.append(memoryview(_LENGTH.pack(len(message))))
        self._out.append(memoryview(message))
        self.flush()

    def flush(self) -> bool:
        """Go on sending; whether all is sent. Raises OSError when the other side is gone."""
        while self._out:
            try:
                sent = self._end.send(self._out[0])
            except BlockingIOError:
                return False
            if sent == len(self._out[0]):
                self._out.popleft()
            else:
                self._out[0] = self._out[0][sent:]
        return True

    def receive(self) -> tuple[list[bytes], bool]:
        """The messages that are complete, and whether the other side is gone."""
        gone = False
        try:
            while data := self._end.recv(_READ_BYTES):
                self._in += data
            gone = True
        except BlockingIOError:
            gone = False
        except OSError:
            gone = True
        return list(self._complete()), gone

    def close(self) -> None:
        """Hang up: the worker ends."""
        self._end.close()

    def _complete(self) -> list[bytes]:
        messages = []
        while len(self._in) >= _LENGTH.size:
            end = _LENGTH.size + _LENGTH.unpack_from(self._in)[0]
            if len(self._in) < end:
                break
            messages.append(bytes(self._in[_LENGTH.size : end]))
            del self._in[:end]
        return messages


class WorkerEnd:
    """The worker's end."""

    def __init__(self, end: socket.socket) -> None:
        end.setblocking(True)
        self._end = end

    def send(self, message: bytes) -> None:
        """Raises OSError when the parent is gone."""
        self._end.sendall(_LENGTH.pack(len(message)) + message)

    def receive(self) -> bytes | None:
        """Wait for the next message; None when the parent is gone."""
        header = self._exactly(_LENGTH.size)
        return header and self._exactly(_LENGTH.unpack(header)[0])

    def _exactly(self, size: int) -> bytes | None:
        data = bytearray(size)
        view = memoryview(data)
        while view:
            try:
                count = self._end.recv_into(view)
            except ConnectionError:
                return None
            if not count:
                return None
            view = view[count:]
        return bytes(data)
