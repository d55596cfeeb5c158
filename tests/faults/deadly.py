"""Tasks that no worker survives or ends; they take what `ingest.tasks.process_batch` takes. Allowed in tests only."""

import os
import signal
import time


def kill_the_worker(packed: bytes, stream: str) -> None:
    """As the kernel does when memory runs out."""
    os.kill(os.getpid(), signal.SIGKILL)


def hang(packed: bytes, stream: str) -> None:
    """Longer than any time-out of a test."""
    time.sleep(600)
