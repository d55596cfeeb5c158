"""What each feed brought, day by day, over the API: the accounts of the ledger, and whether they add up.

Days and a feed enter, JSON leaves. Only sums: single batches are in the admin.
"""

import datetime as dt
from typing import Any

import msgspec
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.renderers import BrowsableAPIRenderer, JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from ingest.ledger.accounts import COUNTS, Account, AccountSelection, by_day, violations
from tracking.api.common.errors import documented
from tracking.api.common.query import StrictQuery

DEFAULT_DAYS = 7
DAYS_MAX = 366


class StatisticsQuery(StrictQuery):
    """Which days, and which feed."""

    since = serializers.DateField(required=False, help_text=f"first day of booking, UTC; default: {DEFAULT_DAYS} days")
    until = serializers.DateField(required=False, help_text="last day, included; default: today")
    source = serializers.CharField(  # type: ignore[assignment]  # a field of this name, not the attribute
        required=False, max_length=32, help_text="label of one feed; default: all"
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Both ends, defaults filled in."""
        until = attrs.get("until") or dt.datetime.now(dt.UTC).date()
        days = dt.timedelta(days=min(DEFAULT_DAYS - 1, until.toordinal() - 1))
        since = attrs.get("since") or until - days
        if since > until:
            raise serializers.ValidationError({"until": ["Must not be before `since`."]})
        if (until - since).days >= DAYS_MAX or until == dt.date.max:
            raise serializers.ValidationError({"since": [f"At most {DAYS_MAX} days at once, of this millennium."]})
        return {**attrs, "since": since, "until": until}


class DayStatisticsSerializer(serializers.Serializer[Any]):
    """What a feed brought on a day."""

    source = serializers.CharField(help_text="label of the feed")  # type: ignore[assignment]  # the same
    day = serializers.DateField(help_text="day of the booking, UTC")
    balanced = serializers.BooleanField(help_text="whether the accounts add up")

    def get_fields(self) -> dict[str, Any]:
        """The counts have the names that the ledger has for them."""
        reasons = serializers.DictField(child=serializers.IntegerField(), help_text="counts by reason")
        counts = {name: serializers.IntegerField() for name in COUNTS}
        return {**super().get_fields(), **counts, "malformed": reasons, "rejected": reasons, "remarks": reasons}


class FeedStatistics(APIView):
    """Sums of the ledger by feed and day."""

    renderer_classes = [JSONRenderer, BrowsableAPIRenderer]

    @extend_schema(
        summary="What each feed brought, day by day",
        parameters=[StatisticsQuery],
        responses={200: DayStatisticsSerializer(many=True), **documented(400)},
    )
    def get(self, request: Request) -> Response:
        """A row for each feed and day on which batches were booked, at most 366 days."""
        query = StatisticsQuery(data=request.query_params.dict())  # an empty value is wrong, not absent
        query.is_valid(raise_exception=True)
        given: dict[str, Any] = query.validated_data
        found = by_day(AccountSelection(given.get("source"), given["since"], given["until"]))
        return Response([_row(source, day, booked) for source, days in found.items() for day, booked in days.items()])


def _row(source: str, day: dt.date, booked: Account) -> dict[str, Any]:
    return {"source": source, "day": day, "balanced": not violations(booked), **msgspec.structs.asdict(booked)}
