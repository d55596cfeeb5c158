"""All positions of a span and a box: pages of JSON, or a file in one of the formats of `tracking/exports/`.

A span and a box enter. Positions leave day by day, in a day by identity, of an identity by time; a page of JSON says
where the next one begins, and a file has no end but the span's.
"""

import base64
import datetime as dt
from itertools import islice
from typing import Any, ClassVar

from django.http import HttpResponseBase
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from tracking.api.common.errors import documented
from tracking.api.common.query import WORLD, BoxField, InstantField, StrictQuery
from tracking.api.export_rate import EXPORT_RATES
from tracking.exports import http
from tracking.exports.fields import fields_of
from tracking.history import door
from tracking.history.door import HistorySpan
from tracking.history_api.timetravel import AircraftAtSerializer, VesselAtSerializer, check_time
from tracking.models import AircraftPosition, Position, VesselPosition

SPAN = dt.timedelta(days=1)
PAGE, PAGE_MAX = 1000, 10_000


class PositionsQuery(StrictQuery):
    """The span, the box, and where a page begins."""

    to = InstantField(help_text="end, excluded; at most 24 hours after the begin")
    bbox = BoxField(default=WORLD, help_text="west,south,east,north in degrees; default: the world")
    page_size = serializers.IntegerField(
        default=PAGE, min_value=1, max_value=PAGE_MAX, help_text="positions a page; files have no pages"
    )
    cursor = serializers.CharField(required=False, default=None, help_text="of `next`, where the page begins")

    def get_fields(self) -> dict[str, serializers.Field]:
        """`from` is a word of Python, so it cannot be declared as an attribute."""
        return {"from": InstantField(help_text="begin, included"), **super().get_fields()}

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """A span of at most a day."""
        start, end = attrs["from"], attrs["to"]
        check_time("from", start), check_time("to", end)
        if start >= end:
            raise serializers.ValidationError({"to": ["Must be later than `from`."]})
        if end - start > SPAN:
            text = "At most 24 hours at once: ask day by day, or `manage.py export` for whole days."
            raise serializers.ValidationError({"to": [text]})
        return attrs

    def validate_cursor(self, value: str | None) -> tuple[str, dt.datetime] | None:
        """Whose position, and of when, was the last on the page before."""
        if value is None:
            return None
        try:
            identity, time = base64.urlsafe_b64decode(value.encode()).decode("ascii").split(" ")
            at = dt.datetime.fromisoformat(time).astimezone(dt.UTC)
            return self.context["identity"](identity), at
        except (ValueError, OverflowError) as error:
            raise serializers.ValidationError("Not a cursor of this list.") from error


class Positions(APIView):
    """Positions of one kind."""

    model: ClassVar[type[Position]]
    identity: ClassVar[Any]
    renderer_classes = [JSONRenderer, *http.RENDERERS]
    throttle_classes = EXPORT_RATES

    def answer(self, request: Request) -> HttpResponseBase:
        """A page, or a file."""
        form = http.chosen(request)
        query = PositionsQuery(data=request.query_params, context={"identity": self.identity})
        query.is_valid(raise_exception=True)
        given = query.validated_data
        span = HistorySpan(self.model, given["from"], given["to"], box=given["bbox"])
        rows = door.stream(span, given["cursor"])
        if form is not None:
            return http.streamed(form, self.model, rows, f"{fields_of(self.model).kind}-{span.start:%Y-%m-%dT%H%M}")
        page = list(islice(rows, given["page_size"] + 1))
        following = _next(request, self.model, page[-2]) if len(page) > given["page_size"] else None
        return Response({"next": following, "results": [self.shown(row) for row in page[: given["page_size"]]]})

    def shown(self, row: dict[str, Any]) -> dict[str, Any]:
        """As the API shows a position."""
        fields = fields_of(self.model)
        return {"id": str(row[fields.key])} | {name: row[name] for name in fields.names if name != fields.key}


def _next(request: Request, model: type[Position], row: dict[str, Any]) -> str:
    """The address of the page after the one that ends with the row."""
    last = f"{row[fields_of(model).key]} {row['timestamp'].isoformat()}"
    query = request.query_params.copy()
    query["cursor"] = base64.urlsafe_b64encode(last.encode()).decode()
    return f"{request.build_absolute_uri(request.path)}?{query.urlencode()}"


class _PageSerializer(serializers.Serializer[Any]):
    """What every page has."""

    next = serializers.URLField(allow_null=True, help_text="the next page; null: this is the last")


class VesselPositionsPage(_PageSerializer):
    """Positions of vessels."""

    results = VesselAtSerializer(many=True)


class AircraftPositionsPage(_PageSerializer):
    """Positions of aircraft."""

    results = AircraftAtSerializer(many=True)


def _schema(page: type[_PageSerializer]) -> Any:
    answers = {("200", "application/json"): page, **http.SCHEMA, **documented(400)}
    return extend_schema(parameters=[PositionsQuery], responses=answers)


class VesselPositions(Positions):
    """Positions of vessels."""

    model, identity = VesselPosition, int

    @_schema(VesselPositionsPage)
    def get(self, request: Request) -> HttpResponseBase:
        """Positions of all vessels in the box, from `from` until before `to`."""
        return self.answer(request)


class AircraftPositions(Positions):
    """Positions of aircraft."""

    model, identity = AircraftPosition, str

    @_schema(AircraftPositionsPage)
    def get(self, request: Request) -> HttpResponseBase:
        """Positions of all aircraft in the box, from `from` until before `to`."""
        return self.answer(request)
