"""A real web server on the loopback whose answers a test writes byte by byte, a clock that jumps, and polls of both."""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, NamedTuple

from ingest.sources.web.http import HttpSource
from tests.support.patience import PATIENCE_SECONDS


class Request(NamedTuple):
    """What the server was asked; header names in lower case."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


Handler = Callable[[Request, asyncio.StreamWriter], Awaitable[None]]


class FakeClock:
    """Time passes only by sleeping, at once; `slept` holds the seconds of each sleep."""

    def __init__(self, wall: float = 1_700_000_000.0) -> None:
        self.now, self._wall = 1000.0, wall
        self.slept: list[float] = []

    def monotonic(self) -> float:
        return self.now

    def wall(self) -> float:
        return self._wall + self.now

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds
        await asyncio.sleep(0)


class Server:
    """Answers each request with the next of `script`, the last one for ever; remembers what it was asked."""

    def __init__(self, script: list[bytes | Handler]) -> None:
        self.asked: list[Request] = []
        self.open = self.most_open = 0
        self.url = ""
        self._script = script
        self._tasks: set[asyncio.Task[None]] = set()

    async def end(self) -> None:
        """Hang up on everybody."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """A client is there. No coroutine: asyncio would report the cancelled ones as errors."""
        task = asyncio.create_task(self._serve(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.open += 1
        self.most_open = max(self.most_open, self.open)
        try:
            request = await _read(reader)
            self.asked.append(request)
            answer = self._script[min(len(self.asked), len(self._script)) - 1]
            if isinstance(answer, bytes):
                writer.write(answer)
                await writer.drain()
            else:
                await answer(request, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            return  # the client hung up, as many tests want it to
        finally:
            self.open -= 1
            writer.close()


async def _read(reader: asyncio.StreamReader) -> Request:
    head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
    method, path, _ = head[0].split(" ")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:-2])}
    return Request(method, path, headers, await reader.readexactly(int(headers.get("content-length", 0))))


@contextlib.asynccontextmanager
async def serving(*script: bytes | Handler, tls: ssl.SSLContext | None = None) -> AsyncIterator[Server]:
    """A server on 127.0.0.1 for as long as the block lasts; `url` has no path."""
    server = Server(list(script))
    listener = await asyncio.start_server(server.connected, "127.0.0.1", 0, ssl=tls)
    server.url = f"http{'s' if tls else ''}://127.0.0.1:{listener.sockets[0].getsockname()[1]}"
    try:
        yield server
    finally:
        listener.close()
        await server.end()


def answer(status: int = 200, body: bytes = b"", **headers: str) -> bytes:
    """The bytes of an answer; underscores in header names become dashes."""
    fields = {"Content-Length": str(len(body))} | {name.replace("_", "-"): text for name, text in headers.items()}
    head = "".join(f"{name}: {text}\r\n" for name, text in fields.items())
    return f"HTTP/1.1 {status} X\r\n{head}\r\n".encode() + body


GOOD = answer(body=b'{"now":1}')


async def take(source: HttpSource, count: int = 1) -> list[bytes]:
    """The first `count` documents. Raises TimeoutError where they do not come."""
    chunks = []
    stream = source.chunks()
    async with asyncio.timeout(PATIENCE_SECONDS), contextlib.aclosing(stream):
        async for chunk in stream:
            chunks.append(chunk)
            if len(chunks) == count:
                break
    return [chunk.data for chunk in chunks]


def poll(
    *script: bytes | Handler, path: str = "/data.json", count: int = 1, **options: Any
) -> tuple[list[bytes], Server, FakeClock, HttpSource]:
    """Take `count` documents of a server with that script; gives documents, server, clock and source."""

    async def run() -> tuple[list[bytes], Server, FakeClock, HttpSource]:
        clock = FakeClock()
        async with serving(*script) as server:
            source = HttpSource(server.url + path, clock=clock, **options)
            return await take(source, count), server, clock, source

    return asyncio.run(run())


def failing(*script: bytes | Handler, **options: Any) -> tuple[list[float], HttpSource]:
    """Run against a script that ends well; gives the sleeps before the document, and the source."""
    documents, _, clock, source = poll(*script, GOOD, **options)
    assert documents == [b'{"now":1}\n']
    return clock.slept, source


def once(reply: bytes | Handler, path: str = "/", **options: Any) -> list[bytes]:
    """The documents of a single request."""

    async def run() -> list[bytes]:
        async with serving(reply) as server:
            return await take(HttpSource(server.url + path, once=True, **options), 2)

    return asyncio.run(run())


def only_one_loopback_address(settings: Any) -> None:
    """127.0.0.1 only may be reached, so that 127.0.0.2 stands for what must not be."""
    settings.FEED_ALLOW_NETWORKS = ["127.0.0.1/32"]
