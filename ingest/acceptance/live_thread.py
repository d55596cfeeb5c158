"""The live state of one batch, written by a thread of its own while the next batch is decoded and stored.

Batches enter, one after the other; nothing leaves. `ingest/stages/live.py` says what is written and what a failure
means.
"""

from __future__ import annotations

import sys
from concurrent.futures import Future, ThreadPoolExecutor

from ingest.stages.live import write_live
from ingest.stages.work import Work

# A thread whose answer has come waits so long for the interpreter while another computes; Python's own 5 ms are a
# seventh of what a batch takes.
_SWITCH_SECONDS = 0.0005


class LiveThread:
    """Not more than one batch waits in memory. While there is one, threads of the process take turns more often."""

    def __init__(self) -> None:
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="live")
        self._writing: Future[None] | None = None
        self._turn_seconds = sys.getswitchinterval()
        sys.setswitchinterval(_SWITCH_SECONDS)

    def write(self, work: Work) -> None:
        """Begin as soon as the batch before is written; of a batch that is not live nothing is."""
        if work.breakers is None:
            return
        if self._writing is not None:
            self._writing.result()
        self._writing = self._executor.submit(write_live, work)

    def close(self) -> None:
        """Wait until all is written."""
        self._executor.shutdown()
        sys.setswitchinterval(self._turn_seconds)
        if self._writing is not None:
            self._writing.result()
