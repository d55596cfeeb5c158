"""Where embedded servers keep data and sockets, and the URLs that follow from it.

A data directory enters, paths and URLs leave: nothing is asked of a running server, so settings can be read without
starting one. Only `secret_key` and the `make_…` functions write. Nothing here ever changes the mode of a directory
that it did not create: opening a parent would publish whatever else lies in it.

    DATA_DIR/secret_key  services.lock  postgres/  postgres-run/  redis/queue/  redis/live/  redis-run/
"""

import hashlib
import os
import secrets
import stat
import tempfile
from contextlib import suppress
from pathlib import Path
from urllib.parse import quote

from tracking.embedded.errors import DataDirectoryError

REDIS_SERVERS = ("queue", "live")
POSTGRES_PORT = 5432
POSTGRES_USER = "embedded_postgres"
# sun_path of sockaddr_un is 108 bytes with its final zero; PostgreSQL's lock file is the longest name beside a socket.
SOCKET_PATH_BYTES = 107
LONGEST_SOCKET_NAME = f".s.PGSQL.{POSTGRES_PORT}.lock"
TEMPORARY = Path("/tmp")  # not tempfile's: TMPDIR may differ between two processes that must meet at one socket
UNREACHABLE_HOMES = Path("/var/lib")


def secret_key(data_dir: Path) -> str:
    """The installation's own random secret, made on first use in DATA_DIR/secret_key (mode 0600).

    Any number of processes may ask at once: all get the same one. Raises DataDirectoryError.
    """
    path = data_dir / "secret_key"
    try:
        if not path.exists():
            _publish_secret(path)
        return path.read_text("ascii").strip()
    except OSError as error:
        raise DataDirectoryError(path, error.strerror) from error


def _publish_secret(path: Path) -> None:
    """A link appears whole or not at all, and never replaces another process's: no reader meets an empty file."""
    make_data_directory(path.parent)
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=".secret_key-")
    try:
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(secrets.token_urlsafe(50))
        with suppress(FileExistsError):
            os.link(name, path)
    finally:
        Path(name).unlink()


def make_data_directory(data_dir: Path) -> None:
    """Create DATA_DIR and missing parents: 0700; as root 0711, because PostgreSQL runs as another user below it.

    Existing directories keep their mode. Raises DataDirectoryError.
    """
    try:
        missing = [path for path in (data_dir, *data_dir.parents) if not path.exists()]
        for path in reversed(missing):
            path.mkdir(exist_ok=True)
            path.chmod(0o711 if is_root() else 0o700)
        if not os.access(data_dir, os.W_OK | os.X_OK) or not data_dir.is_dir():
            raise DataDirectoryError(data_dir, "not a directory that can be written")
    except OSError as error:
        raise DataDirectoryError(data_dir, error.strerror) from error


def make_private_directory(path: Path, owner: int) -> None:
    """Create `path` with mode 0700 for user id `owner`, or make sure that the one found is such a directory.

    The check matters below /tmp, where anyone may have made it first. Raises DataDirectoryError.
    """
    try:
        with suppress(FileExistsError):
            path.mkdir(mode=0o700)
            os.chown(path, owner, -1)
        found = path.lstat()
    except OSError as error:
        raise DataDirectoryError(path, error.strerror) from error
    if not stat.S_ISDIR(found.st_mode) or found.st_uid not in {owner, os.geteuid()} or found.st_mode & 0o077:
        raise DataDirectoryError(path, f"expected a directory of user id {owner} with mode 0700")
    if found.st_uid != owner:  # a creator killed between mkdir and chown
        os.chown(path, owner, -1)


def is_root() -> bool:
    """Whether this process has root's rights: PostgreSQL refuses them and is started as POSTGRES_USER then."""
    return os.geteuid() == 0


def reachable(path: Path) -> bool:
    """Whether POSTGRES_USER, who owns none of the directories, may pass to `path`; missing ones count as open."""
    target = path.resolve()
    parts = {path, *path.parents, target, *target.parents}
    return all(not part.exists() or part.stat().st_mode & stat.S_IXOTH for part in parts)


def postgres_home(data_dir: Path) -> Path:
    """The directory that holds the cluster: DATA_DIR, or a place of its own where root's DATA_DIR is closed to others.

    A cluster that exists is never left behind for a new, empty one because a mode was changed later.
    """
    elsewhere = UNREACHABLE_HOMES / f"tracking-{_digest(data_dir)}"
    if not is_root() or (data_dir / "postgres").exists():
        return data_dir
    if (elsewhere / "postgres").exists():
        return elsewhere
    return data_dir if reachable(data_dir) else elsewhere


def postgres_sockets(data_dir: Path) -> Path:
    """The directory of PostgreSQL's socket."""
    return _socket_directory(postgres_home(data_dir) / "postgres-run", data_dir)


def redis_socket(data_dir: Path, name: str) -> Path:
    """The socket of the Redis server `name`, one of REDIS_SERVERS."""
    return _socket_directory(data_dir / "redis-run", data_dir) / f"{name}.sock"


def _socket_directory(preferred: Path, data_dir: Path) -> Path:
    """`preferred`, or one below /tmp where it is too long for the kernel or has the comma that parts libpq's hosts."""
    length = len(os.fsencode(preferred / LONGEST_SOCKET_NAME))
    if length <= SOCKET_PATH_BYTES and "," not in str(preferred):
        return preferred
    return TEMPORARY / f"tracking-{preferred.name}-{os.geteuid()}-{_digest(data_dir)}"


def _digest(data_dir: Path) -> str:
    return hashlib.blake2s(os.fsencode(data_dir), digest_size=6).hexdigest()


def postgres_url(data_dir: Path) -> str:
    """The URL of the embedded database; django-environ takes a socket directory as an encoded first path part.

    The port is part of it, so that PGPORT in someone's shell changes nothing.
    """
    return f"postgres://postgres@:{POSTGRES_PORT}/{quote(str(postgres_sockets(data_dir)), safe='')}/tracking"


def redis_url(data_dir: Path, name: str) -> str:
    """The URL of the embedded Redis server `name`, one of REDIS_SERVERS."""
    return f"unix://{quote(str(redis_socket(data_dir, name)))}?db=0"
