"""The bounds of what is stored, one table for all: validators of decoders, constraints of the database, help texts.

A field's name leads to its Bounds; `holds` and `condition` say the same of a number in Python and in PostgreSQL, NaN
and infinity included, so nothing passes one and is refused by the other.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from django.db.models import CheckConstraint, Q


class Bounds(NamedTuple):
    """`low` and `high` in `unit`; both belong to it, but `high` does not where it is `open`."""

    low: float
    high: float
    unit: str
    open: bool = False

    def holds(self, value: float) -> bool:
        """Whether the number lies within; NaN does not."""
        return self.low <= value < self.high if self.open else self.low <= value <= self.high

    def condition(self, field: str, *, null: bool = False) -> Q:
        """The same of a field, which may be NULL where `null` says so."""
        whole = {f"{field}__range": (self.low, self.high)}
        within = Q(**{f"{field}__gte": self.low, f"{field}__lt": self.high}) if self.open else Q(**whole)
        return within | Q(**{f"{field}__isnull": True}) if null else within

    def constraint(self, prefix: str, field: str, *, null: bool = False) -> CheckConstraint:
        """The check constraint `prefix_field`."""
        return CheckConstraint(condition=self.condition(field, null=null), name=f"{prefix}_{field}")

    def __str__(self) -> str:
        return f"{self.unit}, {self.low:g} to {'below ' if self.open else ''}{self.high:g}"


LATITUDE: Final = Bounds(-90, 90, "degrees north")
LONGITUDE: Final = Bounds(-180, 180, "degrees east")
SCORE: Final = Bounds(0, 100, "points")
COURSE: Final = Bounds(0, 360, "degrees true", open=True)  # of vessels over ground, and the track of aircraft
VESSEL_SPEED: Final = Bounds(0, 1022, "knots")  # vessels say up to 102.2, search and rescue aircraft 1,022
VESSEL_HEADING: Final = Bounds(0, 359, "whole degrees true")
STATUS: Final = Bounds(0, 14, "code of ITU-R M.1371-5")  # 15, not defined, is NULL
DRAUGHT: Final = Bounds(0, 25.5, "metres")
ALTITUDE: Final = Bounds(-2_000, 150_000, "feet")
GROUND_SPEED: Final = Bounds(0, 4_000, "knots")
VERTICAL_RATE: Final = Bounds(-40_000, 40_000, "feet per minute")

# The fields by the names of the models' constraints, and which may be NULL.
VESSEL_POSITION: Final = {
    "latitude": (LATITUDE, False),
    "longitude": (LONGITUDE, False),
    "speed": (VESSEL_SPEED, True),
    "course": (COURSE, True),
    "heading": (VESSEL_HEADING, True),
    "status": (STATUS, True),
    "score": (SCORE, False),
}
AIRCRAFT_POSITION: Final = {
    "latitude": (LATITUDE, False),
    "longitude": (LONGITUDE, False),
    "altitude": (ALTITUDE, True),
    "ground_speed": (GROUND_SPEED, True),
    "heading": (COURSE, True),
    "vertical_rate": (VERTICAL_RATE, True),
    "score": (SCORE, False),
}


def constraints(prefix: str, fields: dict[str, tuple[Bounds, bool]]) -> list[CheckConstraint]:
    """The check constraints of a model's fields."""
    return [bounds.constraint(prefix, field, null=null) for field, (bounds, null) in fields.items()]
