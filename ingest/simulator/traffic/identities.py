"""Who a simulated ship says she is: in come a seed and her number in the fleet, out comes an identity nobody else has.

Names are put together from two lists of words. The numbers stay in ranges that are hardly ever assigned, MMSI
MID98nnnn and MID99nnnn and IMO numbers from 3,000,000, so that a simulated ship seldom meets a real one's number. What
kind of ship she is, and so her size and speed, is drawn here too; where she is, is not.
"""

from dataclasses import dataclass
from random import Random

MOST_SHIPS = 20_000
MOST_AIRCRAFT = 20_000

# Maritime identification digits of flag states (ITU, table of MIDs) with the first letters of their call signs.
_FLAGS = (
    (209, "5B"), (211, "D"), (215, "9H"), (219, "O"), (224, "E"), (227, "F"), (230, "O"), (232, "G"), (236, "ZD"),
    (240, "S"), (244, "P"), (247, "I"), (249, "9H"), (257, "L"), (261, "S"), (265, "S"), (276, "E"), (304, "V2"),
    (311, "C6"), (319, "ZG"), (338, "W"), (352, "H"), (370, "H"), (412, "B"), (419, "A"), (431, "J"), (440, "D"),
    (477, "VR"), (503, "V"), (525, "P"), (533, "9M"), (538, "V7"), (548, "D"), (563, "9V"), (574, "X"), (601, "Z"),
    (636, "A8"), (710, "P"), (725, "C"),
)  # fmt: skip

_FIRST = (
    "AMBER", "ATLANTIC", "AURORA", "BALTIC", "BOREAL", "BRIGHT", "CALM", "CORAL", "COPPER", "CRIMSON",
    "DISTANT", "EASTERN", "EMERALD", "EVENING", "FAIR", "FREE", "GENTLE", "GOLDEN", "GRAND", "HAPPY", "HIGH",
    "IVORY", "JADE", "LUCKY", "MORNING", "NOBLE", "NORDIC", "NORTHERN", "OCEAN", "ORIENT", "PACIFIC", "PATIENT",
    "POLAR", "PROUD", "QUIET", "RAPID", "ROYAL", "RUBY", "SILENT", "SILVER", "SOUTHERN", "STEADY", "STELLAR",
    "SUMMER", "SWIFT", "TRUE", "VALIANT", "WESTERN", "WINTER", "WISE",
)  # fmt: skip
_SECOND = (
    "ALBION", "ARROW", "BEACON", "BREEZE", "CAPE", "CEDAR", "COMET", "CRANE", "CROWN", "DAWN", "DOLPHIN",
    "EAGLE", "EGRET", "FALCON", "GANNET", "GLORY", "HARBOR", "HARMONY", "HERON", "HOPE", "HORIZON", "LARK",
    "LEGEND", "MERLIN", "OSPREY", "PEARL", "PETREL", "PIONEER", "PUFFIN", "RIVER", "SPIRIT", "STAR", "SWAN",
    "TERN", "TIDE", "TRADER", "VOYAGER", "WAVE", "WILLOW", "WIND",
)  # fmt: skip
_ORDINALS = ("", " II", " III", " IV", " V", " VI", " VII", " X", " XI", " XX")
_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


@dataclass(frozen=True, slots=True)
class Build:
    """A kind of ship: ITU ship types, and least and most speed (knots), length (metres) and draught (metres)."""

    ship_types: tuple[int, ...]
    speed_kn: tuple[float, float]
    length_m: tuple[int, int]
    draught_m: tuple[float, float]
    share: int


CLASS_A = (
    Build((70, 71, 79), (11.0, 15.0), (90, 230), (5.0, 13.0), share=8),
    Build((70, 72, 74), (15.0, 20.5), (170, 366), (9.0, 15.5), share=4),  # container ships
    Build((80, 81, 82, 83, 89), (10.0, 14.5), (110, 330), (6.0, 20.0), share=6),
    Build((60, 69), (16.0, 21.0), (120, 330), (5.5, 8.5), share=2),
    Build((52,), (6.5, 10.0), (24, 50), (3.0, 6.0), share=1),
    Build((30,), (6.5, 10.0), (20, 60), (3.0, 6.0), share=1),
)
CLASS_B = (
    Build((36,), (6.2, 8.5), (9, 18), (1.5, 2.5), share=3),
    Build((37,), (8.0, 20.0), (9, 24), (1.0, 2.0), share=2),
    Build((30,), (6.5, 9.5), (10, 18), (1.5, 3.0), share=1),
)


@dataclass(frozen=True, slots=True)
class Identity:
    """What a ship says about herself in types 5 and 24.

    `imo` is 0 on a class B ship. `bow`, `stern`, `port` and `starboard` are metres from the antenna; `draught` is
    metres.
    """

    mmsi: int
    imo: int
    name: str
    callsign: str
    ship_type: int
    bow: int
    stern: int
    port: int
    starboard: int
    draught: float


def draw_build(chance: Random, builds: tuple[Build, ...]) -> Build:
    """One of the kinds, each as often as its share says."""
    return chance.choices(builds, [build.share for build in builds])[0]


def draw_identity(seed: int, number: int, chance: Random, build: Build, *, class_b: bool) -> Identity:
    """The identity of ship `number`, 0 to MOST_SHIPS - 1; no other of the seed has her MMSI, IMO number or name."""
    mid, prefix = chance.choice(_FLAGS)
    length = chance.randint(*build.length_m)
    beam = max(3, min(round(length / chance.uniform(5.5, 7.5)), 60))
    stern = max(1, round(length * chance.uniform(0.1, 0.3)))
    return Identity(
        mmsi=mid * 1_000_000 + 980_000 + _scattered(seed, number, MOST_SHIPS),
        imo=0 if class_b else imo_number(300_000 + _scattered(seed, number, MOST_SHIPS)),
        name=_name(seed, number),
        callsign=_callsign(prefix, chance),
        ship_type=chance.choice(build.ship_types),
        bow=length - stern,
        stern=stern,
        port=beam // 2,
        starboard=beam - beam // 2,
        draught=round(chance.uniform(*build.draught_m), 1),
    )


def imo_number(serial: int) -> int:
    """The IMO number of a serial abcdef: the last digit of 7a+6b+5c+4d+3e+2f stands behind it (IMO A.1117(30))."""
    check = sum(int(digit) * weight for digit, weight in zip(f"{serial:06}", range(7, 1, -1), strict=True)) % 10
    return serial * 10 + check


def _scattered(seed: int, number: int, size: int) -> int:
    """A permutation of 0 to size - 1: 7919 is prime and divides neither 20,000 nor 2,000."""
    return (number * 7919 + seed * 104_729) % size


def _name(seed: int, number: int) -> str:
    """At most 20 characters; names get an ordinal once all pairs of words are used up."""
    pairs = len(_FIRST) * len(_SECOND)
    pair = _scattered(seed, number % pairs, pairs)
    return f"{_FIRST[pair % len(_FIRST)]} {_SECOND[pair // len(_FIRST)]}{_ORDINALS[number // pairs]}"


def _callsign(prefix: str, chance: Random) -> str:
    letters = "".join(chance.choices(_LETTERS, k=4 - len(prefix)))
    return f"{prefix}{letters}{chance.randint(2, 9)}{chance.randint(0, 9)}"
