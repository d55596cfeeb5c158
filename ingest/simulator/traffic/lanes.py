"""The sea routes and anchorages of the simulation: data only, drawn by hand after where ships are known to sail.

Every lane and anchorage lies, with its whole width, at least 3 km from any coast; a test holds them to a land mask.
"""

from dataclasses import dataclass
from functools import cached_property
from math import pi

from ingest.simulator.traffic.reception import Route
from ingest.simulator.traffic.track import Point, WaypointTrack, moved


@dataclass(frozen=True)
class Lane:
    """A two-way route: waypoints at sea, and how far (metres) ships keep at most from the line between them.

    `near` and `far` are the destinations that ships give when they sail towards the first and the last waypoint, 20
    characters at most. `share` is how many ships it carries compared with others.
    """

    name: str
    waypoints: tuple[Point, ...]
    near: tuple[str, ...]
    far: tuple[str, ...]
    half_width_m: float = 3_000.0
    share: int = 1

    @cached_property
    def track(self) -> WaypointTrack:
        """The line itself, drawn once for all ships on it."""
        return WaypointTrack(self.waypoints)

    @cached_property
    def route(self) -> Route:
        """The line as receivers see it, with the room that ships need to turn round behind its ends."""
        track = self.track
        return Route(self.name, track.length_m, self.half_width_m, lambda along_m: track.at(along_m)[:2])


@dataclass(frozen=True)
class Anchorage:
    """Water where ships wait: its middle, how far (metres) from it they lie at most, and the port they wait for."""

    name: str
    middle: Point
    port: str
    radius_m: float = 3_000.0

    @cached_property
    def route(self) -> Route:
        """A line from west to east across it, as receivers see it."""
        west = moved(*self.middle, -pi / 2, self.radius_m)
        return Route(self.name, 2 * self.radius_m, self.radius_m, lambda along_m: moved(*west, pi / 2, along_m))


LANES = (
    Lane(
        "English Channel",
        (
            (51.85, 2.35),
            (51.35, 1.98),
            (51.0, 1.47),
            (50.62, 0.9),
            (50.38, -0.2),
            (50.05, -2.0),
            (49.5, -4.5),
            (48.95, -5.9),
        ),
        ("NLRTM", "BE ANR", "HAMBURG"),
        ("NEW YORK", "LE HAVRE PILOT", "SANTOS"),
        share=4,
    ),
    Lane(
        "North Sea to Skagerrak",
        ((52.1, 3.0), (52.7, 3.5), (53.6, 4.3), (54.6, 5.9), (56.0, 7.0), (57.25, 8.0), (57.85, 9.4), (58.0, 10.4)),
        ("ROTTERDAM", "AMSTERDAM", "FELIXSTOWE"),
        ("GOTHENBURG", "OSLO", "GDANSK"),
        half_width_m=4_000.0,
        share=4,
    ),
    Lane(
        "German Bight",
        ((53.7, 4.7), (53.95, 6.2), (54.02, 7.3), (54.0, 7.9)),
        ("ANTWERPEN", "IMMINGHAM"),
        ("DEHAM", "BREMERHAVEN", "WILHELMSHAVEN"),
        half_width_m=2_500.0,
        share=2,
    ),
    Lane(
        "Kattegat",
        ((57.9, 10.95), (57.5, 11.4), (57.1, 11.62), (56.75, 11.95), (56.4, 12.1)),
        ("AARHUS", "KRISTIANSAND"),
        ("COPENHAGEN", "ST PETERSBURG"),
        half_width_m=2_500.0,
        share=2,
    ),
    Lane(
        "Southern Baltic",
        (
            (54.55, 12.35),
            (54.85, 13.1),
            (55.12, 13.9),
            (55.3, 14.47),
            (55.6, 15.7),
            (56.1, 17.6),
            (57.2, 19.7),
            (59.1, 21.2),
        ),
        ("KIEL CANAL", "DELBV", "ROSTOCK"),
        ("TALLINN", "HELSINKI", "RIGA"),
        half_width_m=2_500.0,
        share=3,
    ),
    Lane(
        "Gulf of Finland",
        ((59.2, 21.5), (59.45, 22.7), (59.68, 24.0), (59.83, 25.1), (59.95, 26.2)),
        ("STOCKHOLM", "GDYNIA"),
        ("FIHEL", "KOTKA", "UST LUGA"),
        half_width_m=2_500.0,
        share=2,
    ),
    Lane(
        "Bay of Biscay",
        ((48.65, -6.0), (47.0, -7.0), (45.0, -8.3), (43.5, -9.85), (42.8, -10.0)),
        ("GBSOU", "DUNKERQUE", "ZEEBRUGGE"),
        ("GIBRALTAR", "LEIXOES", "VIGO"),
        half_width_m=5_000.0,
        share=2,
    ),
    Lane(
        "Coast of Portugal",
        ((42.6, -10.0), (40.8, -9.85), (39.4, -10.05), (38.5, -9.95), (37.0, -9.5), (36.5, -8.6), (36.1, -7.0)),
        ("ROTTERDAM", "ANTWERP"),
        ("ALGECIRAS", "TANGER MED", "LISBOA"),
        half_width_m=4_000.0,
        share=2,
    ),
    Lane(
        "Strait of Gibraltar",
        ((35.95, -6.8), (35.92, -5.75), (35.99, -5.35), (36.1, -4.9), (36.2, -3.4), (36.45, -2.2), (36.9, -0.9)),
        ("LAS PALMAS", "CASABLANCA"),
        ("VALENCIA", "GIBRALTAR", "ORAN"),
        half_width_m=1_600.0,
        share=2,
    ),
    Lane(
        "Western Mediterranean",
        (
            (37.0, -0.6),
            (37.35, 1.2),
            (37.65, 4.0),
            (37.7, 7.2),
            (37.75, 9.5),
            (37.5, 10.9),
            (37.2, 11.5),
            (36.5, 12.8),
            (36.4, 14.6),
        ),
        ("BARCELONA", "GIBRALTAR"),
        ("MARSAXLOKK", "PORT SAID", "PIRAEUS"),
        share=2,
    ),
    Lane(
        "Gulf of Lion",
        ((41.1, 2.7), (41.8, 4.5), (42.55, 6.3), (43.2, 8.0), (43.9, 8.85)),
        ("ESBCN", "TARRAGONA"),
        ("GENOVA", "LA SPEZIA", "SAVONA"),
        share=2,
    ),
    Lane(
        "Red Sea",
        ((26.8, 35.0), (25.0, 36.1), (22.5, 37.6), (20.0, 38.5), (18.0, 39.9), (16.3, 41.15)),
        ("SUEZ", "YANBU"),
        ("DJIBOUTI", "JEDDAH"),
        half_width_m=4_000.0,
    ),
    Lane(
        "Gulf of Aden",
        ((12.1, 44.3), (12.2, 45.5), (12.9, 48.5), (13.6, 51.0), (14.5, 53.5)),
        ("SUEZ", "DJIBOUTI"),
        ("MUMBAI", "SALALAH", "COLOMBO"),
        half_width_m=4_000.0,
        share=2,
    ),
    Lane(
        "Gulf of Oman",
        ((25.45, 57.2), (24.8, 58.6), (23.7, 60.2), (22.5, 61.6)),
        ("FUJAIRAH", "JEBEL ALI"),
        ("KANDLA", "KARACHI"),
    ),
    Lane(
        "Malacca Strait",
        (
            (6.1, 97.2),
            (5.0, 98.7),
            (4.0, 99.7),
            (2.9, 100.9),
            (2.42, 101.55),
            (2.0, 102.1),
            (1.7, 102.65),
            (1.3, 103.2),
        ),
        ("COLOMBO", "PENANG"),
        ("SINGAPORE", "SGSIN", "PORT KLANG"),
        half_width_m=2_000.0,
        share=3,
    ),
    Lane(
        "South China Sea",
        ((1.5, 104.7), (2.5, 104.95), (4.5, 105.3), (6.5, 106.9), (8.5, 109.0), (12.0, 110.9)),
        ("SG SIN", "TANJUNG PELEPAS"),
        ("HONG KONG", "NANSHA", "KAOHSIUNG"),
        share=2,
    ),
    Lane(
        "Taiwan Strait",
        ((22.5, 118.2), (23.9, 119.0), (25.2, 120.5), (26.8, 121.6)),
        ("HONG KONG", "SHEKOU"),
        ("NINGBO", "SHANGHAI", "BUSAN"),
    ),
    Lane(
        "South of Japan",
        ((33.5, 137.6), (33.0, 135.8), (32.4, 134.0), (31.2, 132.3)),
        ("NAGOYA", "YOKOHAMA"),
        ("KAOHSIUNG", "SHIBUSHI"),
    ),
    Lane(
        "Cape of Good Hope",
        ((-33.2, 17.1), (-34.6, 17.8), (-35.4, 20.0), (-34.9, 23.5), (-34.3, 26.4), (-33.0, 29.0)),
        ("CAPE TOWN", "ROTTERDAM"),
        ("DURBAN", "NGQURA"),
        half_width_m=5_000.0,
    ),
    Lane(
        "United States East Coast",
        (
            (40.25, -73.3),
            (39.3, -73.5),
            (38.2, -74.2),
            (36.9, -75.1),
            (35.0, -74.9),
            (33.4, -76.4),
            (31.5, -79.0),
            (30.2, -80.5),
        ),
        ("NEW YORK", "USNYC"),
        ("SAVANNAH", "USNFK", "JACKSONVILLE"),
        half_width_m=4_000.0,
        share=3,
    ),
    Lane(
        "New York to Georges Bank",
        ((40.4, -73.0), (40.4, -70.5), (40.65, -68.0), (41.3, -64.5)),
        ("NEW YORK", "NEWARK"),
        ("SOUTHAMPTON", "HALIFAX"),
    ),
    Lane(
        "Caribbean Sea",
        ((9.75, -79.9), (11.5, -78.6), (14.5, -76.5), (17.2, -75.2)),
        ("CRISTOBAL", "PANAMA CANAL"),
        ("KINGSTON", "CAUCEDO"),
    ),
    Lane(
        "Coast of Brazil",
        ((-24.5, -45.9), (-23.7, -43.0), (-23.5, -41.6), (-21.5, -39.8), (-18.5, -37.6)),
        ("SANTOS", "PARANAGUA"),
        ("SALVADOR", "ROTTERDAM"),
    ),
    Lane(
        "Oregon Coast",
        ((37.7, -123.6), (40.3, -125.1), (43.0, -125.2), (46.0, -124.9), (48.2, -125.4)),
        ("OAKLAND", "LONG BEACH"),
        ("SEATTLE", "VANCOUVER"),
    ),
)

ANCHORAGES = (
    Anchorage("off the Scheldt", (51.75, 3.25), "ANTWERPEN"),
    Anchorage("off Rotterdam", (52.1, 3.75), "ROTTERDAM"),
    Anchorage("off Skagen", (57.85, 10.8), "SKAGEN"),
    Anchorage("off Gothenburg", (57.6, 11.45), "GOTHENBURG"),
    Anchorage("off Tallinn", (59.68, 24.75), "TALLINN"),
    Anchorage("east of Gibraltar", (36.2, -5.1), "GIBRALTAR"),
    Anchorage("off Barcelona", (41.28, 2.3), "BARCELONA"),
    Anchorage("Hurd Bank, Malta", (35.93, 14.75), "MARSAXLOKK"),
    Anchorage("off Port Said", (31.55, 32.45), "PORT SAID"),
    Anchorage("off Fujairah", (25.2, 56.55), "FUJAIRAH"),
    Anchorage("east of Singapore", (1.5, 104.6), "SINGAPORE"),
    Anchorage("off New York", (40.4, -73.65), "NEW YORK"),
    Anchorage("off Chesapeake Bay", (36.85, -75.75), "NORFOLK"),
    Anchorage("off Santos", (-24.2, -46.2), "SANTOS"),
)
