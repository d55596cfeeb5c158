"""The hours before now, stored: ships that cross the southern North Sea, aircraft that climb above them."""

import datetime as dt

from tracking.models import Aircraft, AircraftPosition, Vessel, VesselPosition

STEP = dt.timedelta(minutes=1)
FIRST_SHIP, FIRST_AIRCRAFT = 244_660_000, 0x484100


def remember(end: dt.datetime, minutes: int = 90, ships: int = 12, aircraft: int = 6) -> None:
    """A report of each every minute, the last one at `end`; names and keys are those of `map_world`."""
    start = end - minutes * STEP
    seen = {"first_seen": start, "last_seen": end}
    Vessel.objects.bulk_create(
        Vessel(mmsi=FIRST_SHIP + number, kind="ship", name=f"NORDIC {number:03d}", ship_type=70, **seen)
        for number in range(ships)
    )
    Aircraft.objects.bulk_create(
        Aircraft(icao=f"{FIRST_AIRCRAFT + number:06x}", callsign=f"KLM{100 + number}", **seen)
        for number in range(aircraft)
    )
    VesselPosition.objects.bulk_create(_ship(n, start, m) for n in range(ships) for m in range(minutes + 1))
    AircraftPosition.objects.bulk_create(_aircraft(n, start, m) for n in range(aircraft) for m in range(minutes + 1))


def _common(start: dt.datetime, minute: int) -> dict[str, dt.datetime | str | int]:
    at = start + minute * STEP
    return {"timestamp": at, "received_at": at, "score": 80}


def _ship(number: int, start: dt.datetime, minute: int) -> VesselPosition:
    """Eastward, each on a latitude of its own, faster minute by minute."""
    return VesselPosition(
        vessel_id=FIRST_SHIP + number, **_common(start, minute), source="pier" if number % 2 else "roof",
        latitude=51.6 + 0.15 * number, longitude=2.4 + 0.008 * minute, speed=5 + minute / 10, course=90.0, heading=90,
    )  # fmt: skip


def _aircraft(number: int, start: dt.datetime, minute: int) -> AircraftPosition:
    """Northward, climbing."""
    return AircraftPosition(
        aircraft_id=f"{FIRST_AIRCRAFT + number:06x}", **_common(start, minute), source="roof",
        latitude=50.6 + 0.04 * minute, longitude=2.0 + 0.6 * number, altitude=1000 + 400 * minute, ground_speed=250.0,
        heading=0.0, vertical_rate=400, on_ground=False,
    )  # fmt: skip
