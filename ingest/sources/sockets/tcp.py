"""A TCP client: connects to a receiver or server and reads what it sends, connecting again for ever.

Feeds that are edited in the admin are guarded: they reach the public and the networks where receivers stand
(`addresses.py`), and the standing of one that has never sent anything is the same whether nobody answers, somebody
refuses, or somebody accepts and stays silent. Else whoever edits feeds could tell which ports of the neighbours are
open. The log, which is for the operators of the host, has the reason.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
import socket
import time
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass
from typing import Literal

from ingest.sources.common.addresses import RECEIVERS, AddressRefused, resolve
from ingest.sources.common.contract import Chunk, LiveSource, SourceError

logger = logging.getLogger(__name__)

CHUNK_BYTES = 64 * 1024
CONNECT_SECONDS = 10.0
BACKOFF_SECONDS = (1.0, 60.0)
UNHEARD = "nothing has come yet; the collector's log says why"


@dataclass
class ConnectionStatus:
    """How the connection stands, for people; `last_error` is empty while it stands."""

    state: Literal["starting", "ok", "failing"] = "starting"
    last_error: str = ""


class TcpSource(LiveSource):
    """`once`: end at the first hang-up or refusal. Back-off doubles to a minute and starts anew once data flowed.

    `guarded`: whoever gave the address may not reach every host, nor learn which ports are open. `clock` gives seconds
    that only grow.
    """

    def __init__(
        self,
        host: str,
        port: int,
        *,
        once: bool = False,
        guarded: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._host, self._port, self._once, self._guarded = host, port, once, guarded
        self._clock = clock
        self._began, self._heard = self._clock(), False
        self._status = ConnectionStatus()
        self.origin = f"tcp://{host}:{port}"[:200]

    @property
    def status(self) -> ConnectionStatus:
        """How the connection stands; of a guarded one that never sent anything, only for how long it has been tried."""
        if not self._guarded or self._heard:
            return self._status
        return (
            ConnectionStatus("starting")
            if self._clock() - self._began < CONNECT_SECONDS
            else ConnectionStatus("failing", UNHEARD)
        )

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """A connection; of a guarded source to an address that was checked, not to the name again."""
        hosts = await resolve(self._host, self._port, RECEIVERS) if self._guarded else [self._host]
        for host in hosts[:-1]:
            with contextlib.suppress(OSError):
                return await asyncio.open_connection(host, self._port, limit=CHUNK_BYTES)
        return await asyncio.open_connection(hosts[-1], self._port, limit=CHUNK_BYTES)

    async def chunks(self, offset: int = 0) -> AsyncGenerator[Chunk, None]:
        """Bytes as they arrive. Raises SourceError for an address that must not be reached, and with `once` when there
        is no connection."""
        backoff = BACKOFF_SECONDS[0]
        cut = False
        while True:
            try:
                reader, writer = await asyncio.wait_for(self._connect(), CONNECT_SECONDS)
            except AddressRefused as error:
                raise SourceError(f"{self.origin}: {error}") from error
            except (OSError, UnicodeError) as error:
                reason = str(error) or f"no answer within {CONNECT_SECONDS:.0f} s"
                if self._once:
                    raise SourceError(f"cannot connect to {self.origin}: {reason}") from error
                self._status = ConnectionStatus("failing", f"cannot connect: {reason}")
                logger.warning("cannot connect to %s: %s; trying again in about %.0f s", self.origin, reason, backoff)
                await asyncio.sleep(backoff * random.uniform(0.5, 1.5))
                backoff = min(backoff * 2, BACKOFF_SECONDS[1])
                continue
            logger.info("connected to %s", self.origin)
            self._status = ConnectionStatus("ok")
            try:
                keep_alive(writer)
                while data := await reader.read(CHUNK_BYTES):
                    self._heard = True
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
            self._status = ConnectionStatus("failing", f"connection lost: {reason}")
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
