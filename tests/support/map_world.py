"""A small sea for pictures and tests of the map: ships of every kind, aircraft at every height, a station."""

import math
import time

from tracking.live.state import LiveKind, LiveState, LiveUpdate

TYPES = (70, 80, 60, 40, 30, 52, 36, 0)


def populate(ships: int = 60, aircraft: int = 25) -> None:
    """Write them around the southern North Sea, as heard just now."""
    now = time.time()
    LiveState(LiveKind.VESSEL).write([_ship(number, now) for number in range(ships)])
    LiveState(LiveKind.AIRCRAFT).write([_aircraft(number, now) for number in range(aircraft)])
    LiveState(LiveKind.STATION).write(
        [LiveUpdate("2442000", now, 52.1, 4.2, static={"kind": "base", "name": "SCHEVENINGEN"})]
    )


def _ship(number: int, now: float) -> LiveUpdate:
    lat, lon = 51.2 + (number * 0.37) % 3.2, 1.6 + (number * 0.71) % 2.9
    fields = {"speed": 0.0 if number % 7 == 0 else 6.0 + number % 12, "course": float(number * 47 % 360)}
    fields |= {"heading": number * 47 % 360, "status": 1 if number % 7 == 0 else 0, "source": "pier", "score": 80}
    static = {"name": f"NORDIC {number:03d}", "ship_type": TYPES[number % 8], "to_bow": 120, "to_stern": 40}
    return LiveUpdate(str(244660000 + number), now - number % 20, lat, lon, fields, static=static)


def _aircraft(number: int, now: float) -> LiveUpdate:
    angle = number * 2.4
    lat, lon = 52.4 + 1.3 * math.sin(angle), 3.6 + 2.2 * math.cos(angle)
    fields = {
        "altitude": 1000 + number * 1700,
        "ground_speed": 180.0 + number * 12,
        "heading": float(number * 31 % 360),
    }
    fields |= {"vertical_rate": 0, "on_ground": False, "source": "roof", "score": 80}
    static = {"callsign": f"KLM{100 + number}", "squawk": "7700" if number == 3 else "2000"}
    return LiveUpdate(f"4841{number:02x}", now, lat, lon, fields, static=static)
