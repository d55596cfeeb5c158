"""What people see while the database is away: the status page and the live API, asked over HTTP.

A port of our web server enters; how long the status page took, what it said last, and what failed leave.
"""

from __future__ import annotations

import json
import statistics
import time
import urllib.request
from dataclasses import dataclass, field

_TIMEOUT_SECONDS = 30.0


@dataclass
class Pages:
    """Filled by `ask`. `state` is what the status page said last of PostgreSQL, `failures` what did not answer 200."""

    port: int
    seconds: list[float] = field(default_factory=list)
    state: str = ""
    failures: list[str] = field(default_factory=list)

    @property
    def median_seconds(self) -> float:
        """Of the answers of the status page; -1 where there was none."""
        return statistics.median(self.seconds) if self.seconds else -1.0

    def ask(self) -> None:
        """Once each."""
        began = time.monotonic()
        page = self._get("/status?format=json")
        if page:
            self.seconds.append(time.monotonic() - began)
            self.state = json.loads(page)["sections"]["postgresql"]["state"]
        self._get("/api/live/vessels/?bbox=0,50,2,52")

    def _get(self, path: str) -> bytes:
        """The body; nothing where it failed."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=_TIMEOUT_SECONDS) as response:
                body: bytes = response.read()
                return body
        except OSError as error:  # urllib's own errors are among them
            self.failures.append(f"{path}: {error}")
            return b""
