"""What may stand behind the question mark: instants, ranges of a track, boxes.

Query parameters enter, aware UTC datetimes and boxes of degrees leave; what is wrong is a 400 that names the parameter
and what it allows. Nothing is looked up here.
"""

import datetime as dt
import math
import re
from collections.abc import Iterable
from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

RANGE_DAYS = 31
DEFAULT_HOURS = 24
OUTLINE_POINTS = 12
OUTLINE_POINTS_MAX = 10_000
SEEN_EXACT_TO = dt.timedelta(minutes=1)  # identities keep last_seen to about a minute
LIVE_LIMIT = 5000
LIVE_LIMIT_MAX = 20_000
IDS_MAX = 500
WITHIN_NM, WITHIN_NM_MAX = 25.0, 600.0

Box = tuple[float, float, float, float]
Place = tuple[float, float]
WORLD: Box = (-180.0, -90.0, 180.0, 90.0)

_MMSI = re.compile(r"[0-9]{9}")
_EPOCH = re.compile(r"\d{1,12}(\.\d+)?")
_LOST_PLUS = re.compile(r"(?<=\d) (?=\d\d:?\d\d$)")


@extend_schema_field(OpenApiTypes.STR)
class InstantField(serializers.Field):
    """ISO 8601 (UTC where no offset is given) or epoch seconds; leaves an aware UTC datetime."""

    default_error_messages = {
        "invalid": "Not a time: ISO 8601 such as 2026-05-01T12:00:00Z, or epoch seconds such as 1777636800."
    }

    def to_internal_value(self, data: str) -> dt.datetime:
        """The instant that `data` names."""
        text = data.strip()
        try:
            if _EPOCH.fullmatch(text):
                return dt.datetime.fromtimestamp(float(text), dt.UTC)
            # A plus sign that was not percent-encoded arrives as a space: 2026-05-01T12:00:00 02:00.
            found = dt.datetime.fromisoformat(_LOST_PLUS.sub("+", text) if "T" in text else text)
            return found.astimezone(dt.UTC) if found.tzinfo else found.replace(tzinfo=dt.UTC)
        except (ValueError, OverflowError, OSError):
            self.fail("invalid")

    def to_representation(self, value: dt.datetime) -> str:
        """ISO 8601."""
        return value.isoformat()


def refuse_unknown(given: Iterable[str], known: Iterable[str]) -> None:
    """Raises ValidationError where a parameter is given that is not known. `format` is the framework's own."""
    text = f"No such parameter; there are {', '.join(sorted(known)) or 'none'}."
    if unknown := set(given) - {*known, "format"}:
        raise serializers.ValidationError({name: [text] for name in sorted(unknown)})


class StrictQuery(serializers.Serializer[Any]):
    """Query parameters, of which no other may be given."""

    def to_internal_value(self, data: Any) -> Any:
        """The values. Raises ValidationError."""
        refuse_unknown(data, self.fields)
        return super().to_internal_value(data)


class TrackQuery(StrictQuery):
    """`from` (included) and `to` (excluded) of a track, at most 31 days apart, and `points` to thin it to.

    Context: `last_seen`, the identity's. Without `to` the track ends with the latest report; without `from` it begins
    24 hours before that.
    """

    to = InstantField(required=False, help_text="end, excluded; default: the latest report")
    points = serializers.IntegerField(
        required=False,
        default=None,
        min_value=OUTLINE_POINTS,
        max_value=OUTLINE_POINTS_MAX,
        help_text="thin the track to at most so many points that show the same line; default: all",
    )
    refused = serializers.BooleanField(
        required=False, default=False, help_text="also the positions that were refused, whose `track` is below 0"
    )

    def get_fields(self) -> dict[str, serializers.Field]:
        """`from` is a word of Python, so it cannot be declared as an attribute."""
        text = "begin, included; default: 24 hours before the end"
        return {"from": InstantField(required=False, help_text=text), **super().get_fields()}

    def validate(self, attrs: dict[str, dt.datetime]) -> dict[str, dt.datetime]:
        """Both ends, defaults filled in."""
        start, end = attrs.get("from"), attrs.get("to")
        if start and end and start >= end:
            raise serializers.ValidationError({"to": ["Must be later than `from`."]})
        latest = self.context["last_seen"]
        end = end or max(latest + SEEN_EXACT_TO, start or latest)
        start = start or _before(end if "to" in attrs else latest)
        if end - start > dt.timedelta(days=RANGE_DAYS):
            days = math.ceil((end - start) / dt.timedelta(days=1))
            text = f"The range has {days} days, at most {RANGE_DAYS} are given at once."
            raise serializers.ValidationError({"from": [text]})
        return {"from": start, "to": end, "points": attrs["points"], "refused": attrs["refused"]}


def _before(end: dt.datetime) -> dt.datetime:
    try:
        return end - dt.timedelta(hours=DEFAULT_HOURS)
    except OverflowError:
        return end


@extend_schema_field(OpenApiTypes.STR)
class BoxField(serializers.Field):
    """`west,south,east,north` in degrees, WGS 84; west greater than east crosses the antimeridian."""

    default_error_messages = {
        "invalid": "Not a box: four numbers west,south,east,north in degrees, such as 9.5,53,10.5,54.",
        "latitude": "South and north must lie in -90 to 90, south not above north.",
        "longitude": "West and east must lie in -180 to 180; west greater than east crosses the antimeridian.",
    }

    def to_internal_value(self, data: str) -> Box:
        """The box that `data` names."""
        try:
            west, south, east, north = (float(part) for part in data.split(","))
        except ValueError:
            self.fail("invalid")
        # Written so that "nan" fails, which is neither below nor above anything.
        if not -90 <= south <= north <= 90:
            self.fail("latitude")
        if not (-180 <= west <= 180 and -180 <= east <= 180):
            self.fail("longitude")
        return west, south, east, north

    def to_representation(self, value: Box) -> str:
        """As it is written in a query."""
        return ",".join(f"{edge:g}" for edge in value)


class LiveQuery(StrictQuery):
    """Which live targets are asked for, and how many at most."""

    bbox = BoxField(default=WORLD, help_text="west,south,east,north in degrees; default: the world")
    limit = serializers.IntegerField(
        default=LIVE_LIMIT, min_value=1, max_value=LIVE_LIMIT_MAX, help_text="most targets to give"
    )


@extend_schema_field(OpenApiTypes.STR)
class PlaceField(serializers.Field):
    """`latitude,longitude` in degrees, WGS 84."""

    default_error_messages = {
        "invalid": "Not a place: latitude,longitude in degrees, such as 54.3,10.1; latitude in -90 to 90, longitude in"
        " -180 to 180."
    }

    def to_internal_value(self, data: str) -> Place:
        """The place that `data` names."""
        try:
            latitude, longitude = (float(part) for part in data.split(","))
        except ValueError:
            self.fail("invalid")
        # Written so that "nan" fails.
        if not (-90 <= latitude <= 90 and -180 <= longitude <= 180):
            self.fail("invalid")
        return latitude, longitude

    def to_representation(self, value: Place) -> str:
        """As it is written in a query."""
        return ",".join(f"{part:g}" for part in value)


class LiveListQuery(LiveQuery):
    """Live targets of a box, or around a place, or by name; of a box also those alone that changed since a time."""

    bbox = BoxField(required=False, help_text="west,south,east,north in degrees; default: the world")
    near = PlaceField(required=False, help_text="latitude,longitude in degrees: the nearest first, with `distance_nm`")
    within = serializers.FloatField(
        required=False, min_value=0.01, max_value=WITHIN_NM_MAX, help_text=f"of `near`, nautical miles; {WITHIN_NM:g}"
    )
    ids = serializers.CharField(
        required=False, help_text=f"MMSIs or ICAO addresses, comma separated, at most {IDS_MAX}: these alone"
    )
    changed_since = InstantField(
        required=False, help_text="those whose newest value is later than this, the oldest first; by their own time"
    )

    def validate_ids(self, value: str) -> tuple[str, ...]:
        """Keys as live state has them: without leading zeros, in lower case."""
        words = [word.strip().lower() for word in value.split(",")]
        if len(words) > IDS_MAX:
            raise serializers.ValidationError(f"At most {IDS_MAX} at once.")
        return tuple(dict.fromkeys(str(int(word)) if _MMSI.fullmatch(word) else word for word in words))

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """One way of asking, not several at once."""
        ways = [name for name in ("bbox", "near", "ids") if name in attrs]
        if len(ways) > 1:
            raise serializers.ValidationError({ways[1]: [f"Goes without `{ways[0]}`."]})
        if "within" in attrs and "near" not in attrs:
            raise serializers.ValidationError({"within": ["Goes with `near`."]})
        if "changed_since" in attrs and ways not in ([], ["bbox"]):
            raise serializers.ValidationError({"changed_since": [f"Goes without `{ways[0]}`."]})
        return attrs
