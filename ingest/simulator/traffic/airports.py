"""The airports of the simulation: data only, roughly where airports are; who flies between them is invented.

They stand in flat country, so that a straight climb from them stays above the ground around them.
"""

from typing import NamedTuple


class Airport(NamedTuple):
    """A place to fly from and to: degrees (WGS 84) and feet above the sea."""

    name: str
    latitude: float
    longitude: float
    elevation_ft: int


AIRPORTS = (
    Airport("AMS", 52.31, 4.76, -11),
    Airport("ARN", 59.65, 17.92, 137),
    Airport("ATH", 37.94, 23.94, 308),
    Airport("BCN", 41.30, 2.08, 12),
    Airport("CDG", 49.01, 2.55, 392),
    Airport("CPH", 55.62, 12.66, 17),
    Airport("DUB", 53.42, -6.27, 242),
    Airport("EDI", 55.95, -3.37, 135),
    Airport("FCO", 41.80, 12.25, 13),
    Airport("FRA", 50.03, 8.57, 364),
    Airport("HAM", 53.63, 9.99, 53),
    Airport("HEL", 60.32, 24.96, 179),
    Airport("IST", 41.26, 28.74, 325),
    Airport("KEF", 63.99, -22.61, 171),
    Airport("LHR", 51.47, -0.46, 83),
    Airport("LIS", 38.77, -9.13, 374),
    Airport("MAD", 40.47, -3.56, 1_998),
    Airport("OSL", 60.19, 11.10, 681),
    Airport("VIE", 48.11, 16.57, 600),
    Airport("WAW", 52.17, 20.97, 362),
    Airport("ATL", 33.64, -84.43, 1_026),
    Airport("DFW", 32.90, -97.04, 607),
    Airport("HNL", 21.32, -157.92, 13),
    Airport("JFK", 40.64, -73.78, 13),
    Airport("LAX", 33.94, -118.41, 128),
    Airport("MIA", 25.79, -80.29, 8),
    Airport("ORD", 41.98, -87.90, 672),
    Airport("SEA", 47.45, -122.31, 433),
    Airport("YYZ", 43.68, -79.63, 569),
    Airport("EZE", -34.82, -58.54, 67),
    Airport("GRU", -23.43, -46.47, 2_459),
    Airport("CAI", 30.12, 31.41, 382),
    Airport("DOH", 25.27, 51.61, 13),
    Airport("DXB", 25.25, 55.36, 62),
    Airport("JNB", -26.14, 28.25, 5_558),
    Airport("LOS", 6.58, 3.32, 135),
    Airport("BKK", 13.69, 100.75, 5),
    Airport("BOM", 19.09, 72.87, 39),
    Airport("DEL", 28.57, 77.10, 777),
    Airport("HKG", 22.31, 113.91, 28),
    Airport("HND", 35.55, 139.78, 35),
    Airport("ICN", 37.46, 126.44, 23),
    Airport("PVG", 31.14, 121.81, 13),
    Airport("SIN", 1.36, 103.99, 22),
    Airport("AKL", -37.01, 174.79, 23),
    Airport("MEL", -37.67, 144.84, 434),
    Airport("SYD", -33.95, 151.18, 21),
)
