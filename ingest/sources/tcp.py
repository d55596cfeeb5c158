"""A TCP client: connects to a receiver or server and reads what it sends, connecting again for ever."""

from __future__ import annotations

import asyncio
import logging
import random
import socket
import time
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Literal

from ingest.sources import Chunk, LiveSource, SourceError

logger = logging.getLogger(__name__)

CHUNK_BYTES = 64 * 1024
CONNECT_SECONDS = 10.0
BACKOFF_SECONDS = (1.0, 60.0)


@dataclass
class Status:
    """How the connection stands, for people; `last_error` is empty while it stands."""

    state: Literal["starting", "ok", "failing"] = "starting"
    last_error: str = ""


class TcpSource(LiveSource):
    """`once`: end at the first hang-up or refusal. Back-off doubles to a minute and starts anew once data flowed."""

    def __init__(self, host: str, port: int, *, once: bool = False) -> None:
        self._host, self._port, self._once = host, port, once
        self.origin = f"tcp://{host}:{port}"[:200]
        self.status = Status()

    async def chunks(self, offset: int = 0) -> AsyncGenerator[Chunk, None]:
        """Bytes as they arrive. Raises SourceError only with `once`, when there is no connection."""
        backoff = BACKOFF_SECONDS[0]
        cut = False
        while True:
            try:
                reader, writer = await asyncio.wait_for(
                    asyncio.open_connection(self._host, self._port, limit=CHUNK_BYTES), CONNECT_SECONDS
                )
            except (OSError, TimeoutError) as error:
                reason = str(error) or f"no answer within {CONNECT_SECONDS:.0f} s"
                if self._once:
                    raise SourceError(f"cannot connect to {self.origin}: {reason}") from error
                self.status = Status("failing", f"cannot connect: {reason}")
                logger.warning("cannot connect to %s: %s; trying again in about %.0f s", self.origin, reason, backoff)
                await asyncio.sleep(backoff * random.uniform(0.5, 1.5))
                backoff = min(backoff * 2, BACKOFF_SECONDS[1])
                continue
            logger.info("connected to %s", self.origin)
            self.status = Status("ok")
            try:
                keep_alive(writer)
                while data := await reader.read(CHUNK_BYTES):
                    yield Chunk(data, time.time_ns() // 1_000_000, broken=cut)
                    cut, backoff = False, BACKOFF_SECONDS[0]
                reason = "closed by the other side"
            except OSError as error:
                reason = str(error)
            finally:
                writer.close()
            if self._once:
                return
            cut = True
            self.status = Status("failing", f"connection lost: {reason}")
            logger.warning("connection to %s lost: %s", self.origin, reason)
            await asyncio.sleep(backoff * random.uniform(0.5, 1.5))
            backoff = min(backoff * 2, BACKOFF_SECONDS[1])


def keep_alive(writer: asyncio.StreamWriter) -> None:
    """Notice within two minutes that the other host is gone; silence alone is not a fault."""
    connection: socket.socket = writer.get_extra_info("socket")
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, value in (("TCP_KEEPIDLE", 60), ("TCP_KEEPINTVL", 15), ("TCP_KEEPCNT", 4)):
        if hasattr(socket, option):
            connection.setsockopt(socket.IPPROTO_TCP, getattr(socket, option), value)
