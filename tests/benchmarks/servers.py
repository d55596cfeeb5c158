"""Embedded servers of a benchmark run's own: in a temporary directory, gone at the end, never the user's.

`own_servers` must be entered before Django's settings are read. URLs of the user's servers are taken out of the
environment for this process and its children.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tracking import embedded
from tracking.embedded import paths

URLS = ("DATABASE_URL", "DATABASE_DIRECT_URL", "REDIS_URL", "QUEUE_REDIS_URL", "LIVE_REDIS_URL", "DATA_DIR")


@contextmanager
def own_servers() -> Iterator[Path]:
    """A data directory of our own, named in the environment; its servers start when used and end with it."""
    for name in URLS:
        os.environ.pop(name, None)
        os.environ.pop(f"{name}_FILE", None)
    directory = Path(tempfile.mkdtemp(prefix="tracking-bench-"))
    data_dir = directory / "data"
    if paths.is_root():
        directory.chmod(0o711)  # PostgreSQL runs as another user below it
    os.environ["DATA_DIR"] = str(data_dir)
    try:
        yield data_dir
    finally:
        outside = [paths.postgres_home(data_dir), paths.postgres_sockets(data_dir)]
        outside.append(paths.redis_socket(data_dir, "live").parent)
        embedded.stop(data_dir)
        shutil.rmtree(directory)
        for path in outside:
            if not path.is_relative_to(data_dir):
                shutil.rmtree(path, ignore_errors=True)
