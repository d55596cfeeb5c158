"""Time travel: the state of the world at a moment, and a span of time as a film.

A moment or a span and a box enter, JSON leaves: who was live then, by the TTL of live state, or of each target one
position a step, in columns (`tracking/history/replay.py`). Both cross the border of PostgreSQL and the archive unseen.
"""

import datetime as dt
from typing import Any

import msgspec
from django.conf import settings
from django.http import HttpResponse, HttpResponseBase
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from tracking.api.common.errors import documented
from tracking.api.common.query import WORLD, BoxField, InstantField, StrictQuery
from tracking.api.serializers import AircraftPositionSerializer, VesselPositionSerializer
from tracking.history import door, replay
from tracking.models import Aircraft, AircraftPosition, Position, Vessel, VesselPosition

MODELS: dict[str, type[Position]] = {"vessels": VesselPosition, "aircraft": AircraftPosition}
# Whose table, and which columns tell the name and the type.
DESCRIPTIONS: dict[str, tuple[Any, str, str]] = {
    "vessels": (Vessel, "name", "ship_type"),
    "aircraft": (Aircraft, "callsign", "type_code"),
}
KEYS = {"vessels": "vessel_id", "aircraft": "aircraft_id"}
SHAPES: dict[str, Any] = {"vessels": VesselPositionSerializer, "aircraft": AircraftPositionSerializer}
LIMIT, LIMIT_MAX = 5000, 50_000
STEPS_MAX = 1500  # a day at a step of a minute
FIRST, LAST = dt.datetime(1, 1, 3, tzinfo=dt.UTC), dt.datetime(9999, 12, 29, tzinfo=dt.UTC)
STEP_MIN, STEP_MAX = 10, 3600


class AtQuery(StrictQuery):
    """The moment, the box, and how many targets of a kind at most."""

    time = InstantField(help_text="the moment, ISO 8601 or epoch seconds")
    bbox = BoxField(default=WORLD, help_text="west,south,east,north in degrees; default: the world")
    limit = serializers.IntegerField(
        default=LIMIT, min_value=1, max_value=LIMIT_MAX, help_text="most targets of a kind to give"
    )


class ReplayQuery(StrictQuery):
    """The span, the box and the step."""

    to = InstantField(help_text="end, excluded")
    bbox = BoxField(default=WORLD, help_text="west,south,east,north in degrees; default: the world")
    step = serializers.IntegerField(
        default=60, min_value=STEP_MIN, max_value=STEP_MAX, help_text="seconds from one point of a target to the next"
    )

    def get_fields(self) -> dict[str, serializers.Field]:
        """`from` is a word of Python, so it cannot be declared as an attribute."""
        return {"from": InstantField(help_text="begin, included"), **super().get_fields()}

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """A span of at most STEPS_MAX steps."""
        seconds = (attrs["to"] - attrs["from"]).total_seconds()
        if seconds <= 0:
            raise serializers.ValidationError({"to": ["Must be later than `from`."]})
        if seconds > attrs["step"] * STEPS_MAX:
            text = f"The span has more than {STEPS_MAX} steps: ask for a part of it, or for a greater step."
            raise serializers.ValidationError({"step": [text]})
        return attrs


class VesselAtSerializer(VesselPositionSerializer):
    """A position of a vessel, and whose it is."""

    id = serializers.CharField(help_text="MMSI without leading zeros")

    class Meta(VesselPositionSerializer.Meta):
        fields = ["id", *VesselPositionSerializer.Meta.fields]


class AircraftAtSerializer(AircraftPositionSerializer):
    """A position of an aircraft, and whose it is."""

    id = serializers.CharField(help_text="ICAO address in lower case")

    class Meta(AircraftPositionSerializer.Meta):
        fields = ["id", *AircraftPositionSerializer.Meta.fields]


class WorldSerializer(serializers.Serializer[Any]):
    """Who was live at a moment, and where."""

    time = serializers.DateTimeField(help_text="the moment, UTC")
    ttl_seconds = serializers.IntegerField(help_text="how old a position may be")
    truncated = serializers.BooleanField(help_text="whether the box holds more than `limit` of a kind")
    vessels = VesselAtSerializer(many=True)
    aircraft = AircraftAtSerializer(many=True)


class FilmSerializer(serializers.Serializer[Any]):
    """Targets and their points, in columns. A target's first point is as it is, each other the difference to it."""

    targets = serializers.ListField(child=serializers.CharField(), help_text="MMSIs or ICAO addresses")
    names = serializers.ListField(child=serializers.CharField(), help_text="what each is called now; empty: not known")
    types = serializers.ListField(
        child=serializers.CharField(), help_text="AIS ship type, or ICAO type designator; empty: not known"
    )
    counts = serializers.ListField(child=serializers.IntegerField(), help_text="number of points of each target")
    steps = serializers.ListField(child=serializers.IntegerField(), help_text="steps since `from`, differences")
    latitudes = serializers.ListField(child=serializers.IntegerField(), help_text="in 1/scale degrees, differences")
    longitudes = serializers.ListField(child=serializers.IntegerField(), help_text="in 1/scale degrees, differences")


class ReplaySerializer(serializers.Serializer[Any]):
    """A span of time of both kinds."""

    step = serializers.IntegerField(help_text="seconds")
    scale = serializers.IntegerField(help_text="units of a degree")
    vessels = FilmSerializer()
    aircraft = FilmSerializer()

    def get_fields(self) -> dict[str, Any]:
        """`from` is a word of Python, so it cannot be declared as an attribute."""
        ends = {"from": "begin, included", "to": "end, excluded"}
        return {name: serializers.DateTimeField(help_text=text) for name, text in ends.items()} | super().get_fields()


class At(APIView):
    """The state of the world at a moment."""

    renderer_classes = [JSONRenderer]

    @extend_schema(parameters=[AtQuery], responses={200: WorldSerializer, **documented(400)})
    def get(self, request: Request) -> Response:
        """Of each target the latest position up to `time`, if it is no older than live state keeps them."""
        query = AtQuery(data=request.query_params)
        query.is_valid(raise_exception=True)
        time, box, limit = (query.validated_data[name] for name in ("time", "bbox", "limit"))
        check_time("time", time)
        ttl = dt.timedelta(seconds=settings.LIVE_TTL_SECONDS)
        found = {kind: door.world_at(model, time, ttl, box, limit + 1) for kind, model in MODELS.items()}
        truncated = any(len(rows) > limit for rows in found.values())
        shown = {kind: [_shown(kind, row) for row in rows[:limit]] for kind, rows in found.items()}
        return Response({"time": time, "ttl_seconds": settings.LIVE_TTL_SECONDS, "truncated": truncated, **shown})


def check_time(name: str, time: dt.datetime) -> None:
    """Raises ValidationError for a time that the calendar has no days before or after."""
    if not FIRST < time < LAST:
        raise serializers.ValidationError({name: ["There is no history at this time."]})


def _shown(kind: str, row: dict[str, Any]) -> dict[str, Any]:
    return {"id": str(row[KEYS[kind]]), **{name: row[name] for name in SHAPES[kind].Meta.fields}}


class Replay(APIView):
    """A span of time as a film."""

    renderer_classes = [JSONRenderer]

    @extend_schema(parameters=[ReplayQuery], responses={200: ReplaySerializer, **documented(400)})
    def get(self, request: Request) -> HttpResponseBase:
        """Of each target in the box one position a step, the last in it; steps are counted from `from`."""
        query = ReplayQuery(data=request.query_params)
        query.is_valid(raise_exception=True)
        start, end, step, box = (query.validated_data[name] for name in ("from", "to", "step", "bbox"))
        check_time("from", start), check_time("to", end)
        films = {kind: _film(kind, replay.film(model, start, end, step, box)) for kind, model in MODELS.items()}
        body = {"from": start, "to": end, "step": step, "scale": replay.SCALE, **films}
        return HttpResponse(msgspec.json.encode(body), content_type="application/json")


def _film(kind: str, film: replay.Film) -> dict[str, Any]:
    model, name, type_field = DESCRIPTIONS[kind]
    rows = model.objects.filter(pk__in=film.targets).values_list("pk", name, type_field)
    known = {key: (called, str(type_ or "")) for key, called, type_ in rows}
    told = [known.get(target, ("", "")) for target in film.targets]
    described = {"names": [called for called, _ in told], "types": [type_ for _, type_ in told]}
    return {**film._asdict(), **described, "targets": [str(target) for target in film.targets]}
