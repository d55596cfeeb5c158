"""Live traffic: receivers that push until they are told 202, and a recording that is read to its end.

A number of messages and of seconds enter; what was accepted, and how often it was sent, leaves. A push whose answer was
lost is sent again as a new one, as receivers do: so its messages may be accepted more than once, and the account says
how often at most. The recording is read over a slow link to the queue, so that a kill of its collector often falls
between a batch and the queue's answer. Nothing is killed here, and no rows are counted.
"""

from __future__ import annotations

import http.client
import secrets
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.chaos.messages import Recording, push_body

PUSH_LABEL = "chaos-push"
RECORDING_LABEL = "chaos-recording"
CLIENTS = 4
MOST_BODIES = 200
LINK_SECONDS = 0.1  # one way, between the recording's collector and the queue
_SHIPS_A_BODY = 25
_TIMEOUT_SECONDS = 15.0
_PAUSE_SECONDS = 0.4


@dataclass
class Body:
    """One push: its number, its ships, how often it was sent, and what was answered (0: nothing)."""

    number: int
    ships: Sequence[int]
    due: float  # seconds after the beginning
    attempts: int = 0
    answers: dict[int, int] = field(default_factory=dict)
    accepted: bool = False


class Traffic:
    """Half of `messages` are pushed, half are in a recording; both last about `seconds`."""

    def __init__(self, messages: int, seconds: float, directory: Path) -> None:
        pushed = messages // 2
        count = max(1, min(MOST_BODIES, pushed // _SHIPS_A_BODY))
        edges = [place * pushed // count for place in range(count + 1)]
        self.bodies = [
            Body(number, range(edges[number], edges[number + 1]), number * seconds / count) for number in range(count)
        ]
        self.recorded_ships = range(pushed, messages)
        step_ms = seconds * 1000 / max(1, len(self.recorded_ships))
        self.recording = Recording(self.recorded_ships, round((time.time() - seconds) * 1000), step_ms)
        # One batch is accepted a round trip, so that the link's latency makes the recording last as long as the rest.
        self.recorded_batch = max(1, round(len(self.recorded_ships) * 2 * LINK_SECONDS / seconds))
        self.path = directory / "recording.nmea"
        self.path.write_bytes(self.recording.text)
        self.key = secrets.token_urlsafe(32)
        self._waiting = iter(self.bodies)
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._clients: list[threading.Thread] = []

    @property
    def messages(self) -> int:
        """All messages, accepted or yet to be."""
        return sum(len(body.ships) for body in self.bodies) + len(self.recorded_ships)

    @property
    def accepted(self) -> int:
        """Messages of the pushes that were answered 202 so far."""
        return sum(len(body.ships) for body in self.bodies if body.accepted)

    @property
    def pushed(self) -> bool:
        """Whether every push was answered 202."""
        return all(body.accepted for body in self.bodies)

    def answers(self) -> dict[int, int]:
        """How often which status was answered; 0: no answer."""
        sums: dict[int, int] = {}
        for body in self.bodies:
            for status, times in body.answers.items():
                sums[status] = sums.get(status, 0) + times
        return dict(sorted(sums.items()))

    def start(self, port: int) -> None:
        """Begin to push to the web server at `port`."""
        began = time.monotonic()
        for number in range(CLIENTS):
            client = threading.Thread(target=self._push, args=(port, began), name=f"receiver-{number}", daemon=True)
            client.start()
            self._clients.append(client)

    def stop(self) -> None:
        """No more attempts."""
        self._stop.set()
        for client in self._clients:
            client.join(2 * _TIMEOUT_SECONDS)

    def _push(self, port: int, began: float) -> None:
        """One receiver: the next body when it is due, again and again until it is accepted."""
        while not self._stop.is_set():
            with self._lock:
                body = next(self._waiting, None)
            if body is None:
                return
            self._stop.wait(max(0.0, began + body.due - time.monotonic()))
            data = push_body(body.number, body.ships)
            while not body.accepted and not self._stop.is_set():
                status = self._post(port, data)
                body.attempts += status is not None
                body.answers[status or 0] = body.answers.get(status or 0, 0) + 1
                body.accepted = status == http.HTTPStatus.ACCEPTED
                if not body.accepted:
                    self._stop.wait(_PAUSE_SECONDS)

    def _post(self, port: int, data: bytes) -> int | None:
        """The answer's status, 0 where none came, None where nobody could even be reached."""
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=_TIMEOUT_SECONDS)
        try:
            connection.connect()
        except OSError:
            return None
        try:
            headers = {"Authorization": f"Bearer {self.key}", "Content-Type": "text/plain"}
            connection.request("POST", f"/api/push/{PUSH_LABEL}/", data, headers)
            return connection.getresponse().status
        except (OSError, http.client.HTTPException):
            return 0
        finally:
            connection.close()


def wait(condition: Callable[[], bool], seconds: float, progress: Callable[[], None]) -> bool:
    """Ask `condition` for at most `seconds`, telling progress every five; whether it held in the end."""
    deadline, tell_at = time.monotonic() + seconds, time.monotonic() + 5.0
    while not condition():
        if time.monotonic() > deadline:
            return False
        if time.monotonic() > tell_at:
            progress()
            tell_at += 5.0
        time.sleep(0.2)
    return True
