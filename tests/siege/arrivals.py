"""When each honest message is in PostgreSQL: what was sent and not seen yet is asked for, twice a second.

`Sent` and a database's URL enter; the delay of each message in seconds leaves, exact to `LOOK_SECONDS`. A message that
was stored under another second than its ship said is not found here; the final count finds it.
"""

from __future__ import annotations

import datetime as dt
import threading
import time

import psycopg

from tests.siege.honest import Key, Sent

LOOK_SECONDS = 0.5
LATE_SECONDS = 5.0
_FIND = """
    SELECT vessel_id, extract(epoch FROM "timestamp")::bigint
    FROM unnest(%s::int[], %s::timestamptz[]) AS wanted (mmsi, at)
    JOIN tracking_vesselposition ON vessel_id = mmsi AND "timestamp" = at
"""


class Arrivals:
    """A thread that looks until it is stopped."""

    def __init__(self, sent: Sent, url: str) -> None:
        self.seconds: list[float] = []  # from sending to the first sight
        self._sent, self._url = sent, url
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="arrivals", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        self._thread.join(60.0)

    def late(self) -> int:
        """Messages that took longer than LATE_SECONDS, those never seen among them."""
        return sum(seconds > LATE_SECONDS for seconds in self.seconds) + len(self._sent.waiting())

    def percentile(self, share: float) -> float:
        """The delay in seconds that `share` of the messages do not exceed; -1 where none was seen."""
        ordered = sorted(self.seconds)
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else -1.0

    def _run(self) -> None:
        with psycopg.connect(self._url, autocommit=True) as connection:
            while not self._stop.wait(LOOK_SECONDS):
                for key in self._found(connection, list(self._sent.waiting())):
                    self.seconds.append(time.monotonic() - self._sent.arrived(key))

    def _found(self, connection: psycopg.Connection, wanted: list[Key]) -> list[Key]:
        mmsis = [mmsi for mmsi, _ in wanted]
        moments = [dt.datetime.fromtimestamp(second, dt.UTC) for _, second in wanted]
        return [(int(mmsi), int(second)) for mmsi, second in connection.execute(_FIND, [mmsis, moments])]
