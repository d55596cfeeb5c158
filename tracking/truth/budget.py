"""How far a target can get: the speed budgets of each class of target, and distances on the globe.

Enter two positions of a target with the seconds between them; leaves the distance that is possible. In knots:

    v = min(factor * s + plus + ramp * seconds, max(cap, factor * s + plus))
    distance <= slack_m + (seconds + slack_s) * v

where s is the greater of the two reported speeds, `unknown` where neither report has one. Reported speed bounds the
budget because a target that says 5 knots and is found 2 km further after 30 s is another; `ramp` is what it may have
gained meanwhile.

Ships: 60 knots covers everything but racing boats, whose own reports raise it; 0.3 knots a second is a fast ferry that
starts; 150 m are two errors of satellite navigation and an antenna at the bow, 3 s the age of a fix behind the second
that a report names. After 6 hours at 60 knots a ship may be 360 nautical miles away: nothing is excluded any more.
Search and rescue aircraft report as ships and fly at 300 knots. Base stations and aids to navigation lie where they
are: a buoy swings on its chain, no further. Aircraft: 3.9 knots a second is 0.2 g; 1,170 knots where no speed is known
are 900 and the 1.3 that winds and turns take; 700 m and 2 s because many sources round times to seconds.
"""

from __future__ import annotations

import functools
import math
from typing import NamedTuple

from tracking.positions.mmsi import MmsiForm, classify

KNOT = 1852 / 3600  # metres a second
DEGREE_M = 111_194.93  # metres a degree of latitude, on the sphere of 6,371,008.8 m
_RADIUS_M = 6_371_008.8
_HALF_DEGREE = math.pi / 360
_FLAT_DEGREES = 20  # of longitude, up to which, below _POLAR_DEGREES, the plane is exact to a part in a hundred
_POLAR_DEGREES = 80


class Budget(NamedTuple):
    """What a class of targets is capable of; speeds in knots, see the module.

    `gap_s`: after so long anything is possible. `candidate_s`: a track that is not confirmed is forgotten after that.
    `coarse_m`: what a coarse position adds; `fine_s`: for so long after a fine position a coarse one says nothing new.
    `repeat_s`: a report that says word for word what was said within it is a repeat, if it moved at `repeat_kn`.
    `once_a_second`: such targets say their place at most once a second.
    """

    cap: float
    ramp: float
    factor: float
    plus: float
    unknown: float
    slack_m: float
    slack_s: float
    gap_s: float
    candidate_s: float
    coarse_m: float = 400.0
    fine_s: float = 600.0
    repeat_s: float = 3600.0
    repeat_kn: float = 2.0
    once_a_second: bool = True

    def allowed(self, one: float, other: float, seconds: float, coarse: bool, steady: bool = False) -> float:
        """The metres that are possible between two positions with these reported speeds, NaN where unknown.

        `steady`: without what a target may gain in speed.
        """
        speed = one if one >= other or other != other else other
        if speed != speed:
            speed = self.unknown
        base = self.factor * speed + self.plus
        knots = base if steady else min(base + self.ramp * seconds, max(self.cap, base))
        return self.slack_m + (seconds + self.slack_s) * knots * KNOT + (self.coarse_m if coarse else 0.0)


VESSEL = Budget(
    cap=60, ramp=0.3, factor=1.2, plus=5, unknown=60, slack_m=150, slack_s=3, gap_s=6 * 3600, candidate_s=900
)
SAR_AIRCRAFT = VESSEL._replace(cap=300, ramp=3, unknown=300, slack_m=500, gap_s=3600)
FIXED = VESSEL._replace(cap=0, ramp=0, factor=0, plus=0, unknown=0, slack_m=2000)
AIRCRAFT = Budget(
    cap=2000,
    ramp=3.9,
    factor=1.3,
    plus=20,
    unknown=1170,
    slack_m=700,
    slack_s=2,
    gap_s=3600,
    candidate_s=60,
    repeat_s=600,
    repeat_kn=30,
    once_a_second=False,
)
_OF_KIND = {MmsiForm.SAR_AIRCRAFT: SAR_AIRCRAFT, MmsiForm.COAST: FIXED, MmsiForm.AID: FIXED}


@functools.lru_cache(maxsize=1 << 17)
def budget_of(identity: int | str) -> Budget:
    """The budget of an MMSI, by its form, or of an aircraft's address."""
    return _OF_KIND.get(classify(identity)[0], VESSEL) if isinstance(identity, int) else AIRCRAFT


def metres(latitude: float, longitude: float, other_latitude: float, other_longitude: float) -> float:
    """The distance of two places in degrees, the short way round."""
    east = (other_longitude - longitude + 180) % 360 - 180
    if abs(east) > _FLAT_DEGREES or abs(latitude) > _POLAR_DEGREES or abs(other_latitude) > _POLAR_DEGREES:
        return _on_the_sphere(latitude, other_latitude, math.radians(east))
    east *= math.cos((latitude + other_latitude) * _HALF_DEGREE)
    return DEGREE_M * math.hypot(east, other_latitude - latitude)


def _on_the_sphere(latitude: float, other: float, east: float) -> float:
    one, two = math.radians(latitude), math.radians(other)
    chord = math.sin((two - one) / 2) ** 2 + math.cos(one) * math.cos(two) * math.sin(east / 2) ** 2
    return 2 * _RADIUS_M * math.asin(min(1.0, math.sqrt(chord)))


def reckoned(
    latitude: float, longitude: float, speed: float, course: float, seconds: float, most_s: float = 900
) -> tuple[float, float]:
    """Where dead reckoning puts a target after `seconds`; where it was, if speed or course is NaN or it is too long."""
    if speed != speed or course != course or seconds > most_s:
        return latitude, longitude
    way, angle = speed * KNOT * seconds / DEGREE_M, math.radians(course)
    east = way * math.sin(angle) / max(0.01, math.cos(math.radians(latitude)))
    return latitude + way * math.cos(angle), longitude + east
