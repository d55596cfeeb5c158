"""Why is it not here: everything that is known of where the reports of one identity went.

An MMSI or an ICAO address enters, Findings of all apps leave, from live state to dead letters. For who may read
history; findings of a server that is away say so instead of failing the others.
"""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Callable, Iterator
from typing import Any, ClassVar

from django.conf import settings
from django.db import Error as DatabaseError
from django.db.models import Count, Max
from django.urls import reverse
from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from redis import RedisError
from rest_framework import serializers
from rest_framework.exceptions import NotFound
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from tracking import search
from tracking.api.common.errors import documented
from tracking.live.state import LiveKind, LiveState
from tracking.map.offers import Finding, asked, finding
from tracking.models import Aircraft, AircraftPosition, Vessel, VesselPosition
from tracking.truth.models import Dispute, Refusal, RefusedPosition

WINDOW = dt.timedelta(hours=24)


class FindingSerializer(serializers.Serializer[Any]):
    """One finding."""

    title = serializers.CharField(help_text="what was looked at")
    state = serializers.ChoiceField(["good", "warn", "none"], help_text="whether it explains an absence")
    text = serializers.CharField(help_text="what was found")
    link = serializers.CharField(allow_blank=True, help_text="where to read on")


class WhySerializer(serializers.Serializer[Any]):
    """The way of an identity's reports."""

    id = serializers.CharField(help_text="MMSI, or ICAO address")
    live = serializers.BooleanField(help_text="whether it is on the map")
    findings = FindingSerializer(many=True)


class Why(APIView):
    """Why a target is not on the map."""

    kind: ClassVar[LiveKind]
    identities: ClassVar[Any]
    positions: ClassVar[Any]
    column: ClassVar[str]

    def answer(self, request: Request, key: Any, text: str) -> Response:
        """The findings, from live state to dead letters."""
        if key is None:
            raise NotFound(f"{text!r} is no identity: an MMSI has up to 9 digits, an ICAO address six hex digits.")
        parts = (self._live, self._heard, self._stored, self._refused, self._disputed, self._of_other_apps)
        found = [one for part in parts for one in _guarded(part, key, request.user)]
        live = any(one["title"] == "On the map" and one["state"] == "good" for one in found)
        return Response({"id": str(key), "live": live, "findings": found})

    def _live(self, key: Any, user: Any) -> Iterator[Finding]:
        document = LiveState(self.kind).get(str(key))
        if document is None:
            minutes = settings.LIVE_TTL_SECONDS // 60
            yield finding("On the map", "warn", f"No: no report that was accepted within {minutes} minutes")
        elif document.get("lat") is None:
            yield finding("On the map", "warn", "No: it is heard, but has not told its position")
        else:
            age = round(time.time() - document["ts"])
            yield finding("On the map", "good", f"Yes, heard {age} s ago from {document.get('source') or 'a feed'}")

    def _heard(self, key: Any, user: Any) -> Iterator[Finding]:
        feeds = sorted(asked("feeds_that_heard", str(key)))
        deaf = sorted(one["feed"] for one in asked("feed_standings") if not one["well"])
        text = f"by {', '.join(feeds)}" if feeds else "by no feed within the last 20 minutes"
        yield finding("Heard", "good" if feeds else "warn", text + (f"; silent now: {', '.join(deaf)}" if deaf else ""))

    def _stored(self, key: Any, user: Any) -> Iterator[Finding]:
        identity = self.identities.objects.filter(pk=key).first()
        if identity is None:
            yield finding("Known", "warn", "Never: none of its reports was ever stored")
            return
        link = reverse(f"admin:tracking_{self.identities._meta.model_name}_change", args=[key])
        yield finding("Known", "good", f"{identity}, last heard {_moment(identity.last_seen)}", link)
        rows = self.positions.objects.filter(**{self.column: key}, timestamp__gt=timezone.now() - WINDOW, track__gte=0)
        won = list(rows.order_by().values_list("source").annotate(count=Count("pk"), last=Max("timestamp")))
        if not won:
            yield finding("Stored in 24 h", "warn", "no position")
            return
        told = ", ".join(f"{count:,} of {source}" for source, count, _ in sorted(won, key=lambda one: -one[1]))
        last = _moment(max(last for *_, last in won))
        yield finding("Stored in 24 h", "good", f"{told}; what others said at the same times is merged. Last {last}")

    def _refused(self, key: Any, user: Any) -> Iterator[Finding]:
        subject = {LiveKind.VESSEL: "vessel", LiveKind.AIRCRAFT: "aircraft"}[self.kind]
        rows = RefusedPosition.objects.filter(
            subject=subject, identity=str(key), timestamp__gt=timezone.now() - 7 * WINDOW
        )
        counts = list(rows.order_by().values_list("reason").annotate(count=Count("pk")))
        told = ", ".join(f"{count:,} {Refusal(reason).label}" for reason, count in sorted(counts))
        link = f"{reverse('admin:tracking_refusedposition_changelist')}?q={key}" if counts else ""
        yield finding("Rejected in 7 days", "warn" if counts else "good", told or "no position", link)

    def _disputed(self, key: Any, user: Any) -> Iterator[Finding]:
        subject = {LiveKind.VESSEL: "vessel", LiveKind.AIRCRAFT: "aircraft"}[self.kind]
        open_ = Dispute.objects.filter(subject=subject, identity=str(key), until=None).order_by("-since").first()
        if open_ is None:
            yield finding("Quarantined", "good", "no")
            return
        text = f"since {_moment(open_.since)}: it is reported from places that exclude each other"
        yield finding("Quarantined", "warn", text, reverse("admin:tracking_dispute_change", args=[open_.pk]))

    def _of_other_apps(self, key: Any, user: Any) -> Iterator[Finding]:
        yield from asked("why_not_here", str(self.kind), str(key), user)


def _guarded(part: Callable[[Any, Any], Iterator[Finding]], key: Any, user: Any) -> list[Finding]:
    try:
        return list(part(key, user))
    except (DatabaseError, RedisError):
        name = part.__name__.strip("_").replace("_", " ")
        return [finding(name.capitalize(), "none", "cannot be looked up now: the server behind it is away")]


def _moment(at: dt.datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M:%S} UTC"


class WhyVessel(Why):
    """Of a ship."""

    kind, identities, positions, column = LiveKind.VESSEL, Vessel, VesselPosition, "vessel_id"

    @extend_schema(
        operation_id="vessel_why",
        parameters=[OpenApiParameter("mmsi", OpenApiTypes.STR, "path", description="MMSI")],
        responses={200: WhySerializer, **documented(404)},
    )
    def get(self, request: Request, mmsi: str) -> Response:
        """Where the reports of a ship went: heard, stored, rejected by reason, quarantined, dead letters."""
        return self.answer(request, search.mmsi(mmsi), mmsi)


class WhyAircraft(Why):
    """Of an aircraft."""

    kind, identities, positions, column = LiveKind.AIRCRAFT, Aircraft, AircraftPosition, "aircraft_id"

    @extend_schema(
        operation_id="aircraft_why",
        parameters=[OpenApiParameter("icao", OpenApiTypes.STR, "path", description="ICAO address")],
        responses={200: WhySerializer, **documented(404)},
    )
    def get(self, request: Request, icao: str) -> Response:
        """Where the reports of an aircraft went: heard, stored, rejected by reason, quarantined, dead letters."""
        return self.answer(request, search.icao(icao), icao)
