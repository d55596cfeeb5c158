"""Ranges and plausibility of decoded values: what passes can be stored.

Enters raw numbers of a decoder; a value out of its range raises Rejected with a stable code. The database's check
constraints repeat these promises. Speeds, courses and headings out of range are not worth a position: decoders make
them None.
"""

from ingest.errors import Rejected
from tracking.positions.bounds import LATITUDE, LONGITUDE

MMSI_MAX = 999_999_999
FUTURE_MS = 60_000
STALE_MS = 24 * 3600 * 1000


def check_mmsi(mmsi: int) -> None:
    """0 names nobody, and only nine digits can be written down."""
    if mmsi == 0:
        raise Rejected("mmsi_zero")
    if mmsi > MMSI_MAX:
        raise Rejected("mmsi_out_of_range")


NULL_ISLAND = 0.01  # degrees around 0,0: what devices send that do not know where they are


def check_position(latitude: float, longitude: float) -> None:
    """Degrees, -90 to 90 and -180 to 180, both ends included; and not 0,0, which no format means as a place."""
    if -NULL_ISLAND <= latitude <= NULL_ISLAND and -NULL_ISLAND <= longitude <= NULL_ISLAND:
        raise Rejected("null_island")
    if not LATITUDE.holds(latitude):
        raise Rejected("latitude_out_of_range")
    if not LONGITUDE.holds(longitude):
        raise Rejected("longitude_out_of_range")


def place_of_station(latitude: float | None, longitude: float | None) -> tuple[float | None, float | None]:
    """Degrees, both or neither: a station whose position is unknown is one all the same."""
    try:
        if latitude is None or longitude is None:
            return None, None
        check_position(latitude, longitude)
    except Rejected:
        return None, None
    return latitude, longitude


def check_time(time: int, now: int, recorded: bool) -> None:
    """Milliseconds. Live: at most 60 s ahead of `now` and 24 h behind; recordings: any time up to 60 s ahead."""
    if time > now + FUTURE_MS:
        raise Rejected("time_in_future")
    if not recorded and time < now - STALE_MS:
        raise Rejected("time_too_old")
    if time < 0:
        raise Rejected("time_out_of_range")


def time_window(now: int, recorded: bool) -> tuple[int, int]:
    """The earliest and the latest time that `check_time` lets pass."""
    return 0 if recorded else max(0, now - STALE_MS), now + FUTURE_MS


def imo_number(number: int) -> int | None:
    """The IMO number if its check digit is right: seven digits, the first six weighted 7 to 2."""
    if not 1_000_000 <= number <= 9_999_999:
        return None
    rest, check = divmod(number, 10)
    weighted = 0
    for weight in range(2, 8):
        rest, digit = divmod(rest, 10)
        weighted += weight * digit
    return number if weighted % 10 == check else None
