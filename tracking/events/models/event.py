"""What happened: one row an event, which begins, goes on, and ends.

The same event cannot be kept twice: the constraint `event_once` refuses a second one of the same kind, target and
reference while the first goes on and for its cooldown after (`tracking/events/timings.py`).
"""

from __future__ import annotations

import uuid

from django.contrib.postgres.constraints import ExclusionConstraint
from django.contrib.postgres.fields import DateTimeRangeField, RangeOperators
from django.db import models
from django.db.models import F, Func, Q
from django.db.models.functions import Now

from tracking.events.models.rules import Geofence, WatchList


class EventKind(models.TextChoices):
    """What an event may be."""

    EMERGENCY = "emergency", "emergency squawk"
    DISTRESS = "distress", "distress transmitter"
    ENTERED = "entered", "entered a geofence"
    LEFT = "left", "left a geofence"
    DWELLS = "dwells", "stays in a geofence"
    SPEED = "speed", "over the speed limit"
    SIGHTED = "sighted", "sighted, on a watch-list"
    DARK = "dark", "gone dark"
    ENCOUNTER = "encounter", "close encounter"
    DISPUTE = "dispute", "two tracks under one identity"
    SPOOFED = "spoofed", "spoofed area"


class Event(models.Model):
    """Something that users may want to know of at once."""

    class Whose(models.TextChoices):
        """What `identity` names."""

        VESSEL = "vessel", "ship"
        AIRCRAFT = "aircraft", "aircraft"
        AREA = "area", "area"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    kind = models.CharField(max_length=16, choices=EventKind.choices, help_text="what it is")
    subject = models.CharField(max_length=8, choices=Whose.choices, help_text="what `identity` names")
    identity = models.CharField(max_length=16, help_text="MMSI, ICAO address, or latitude:longitude of an area")
    reference = models.CharField(
        max_length=16,
        blank=True,
        default="",
        help_text="what tells two of one target apart: number of the geofence or list, squawk, MMSI of the other ship",
    )
    since = models.DateTimeField(help_text="when it began, by the reports, UTC")
    held_at = models.DateTimeField(help_text="when it was last known to go on, UTC, exact to about a minute")
    until = models.DateTimeField(null=True, help_text="when it was over, UTC; NULL: it goes on")
    repeats_after = models.DateTimeField(null=True, help_text="from when on it may be told anew, UTC; NULL: it goes on")
    latitude = models.FloatField(null=True, help_text="degrees north, WGS 84, at its beginning")
    longitude = models.FloatField(null=True, help_text="degrees east, WGS 84, at its beginning")
    values = models.JSONField(default=dict, help_text="what the kind has to tell beside")
    source = models.CharField(max_length=32, blank=True, default="", help_text="label of the feed that showed it")
    geofence = models.ForeignKey(Geofence, models.SET_NULL, null=True, related_name="events")
    watch_list = models.ForeignKey(WatchList, models.SET_NULL, null=True, related_name="events")
    noted_at = models.DateTimeField(auto_now_add=True, help_text="when it was found, UTC")
    changed_at = models.DateTimeField(db_default=Now(), help_text="when it began, ended or went on, as noted here, UTC")

    class Meta:
        ordering = ["-since", "-id"]
        default_permissions = ("view",)
        constraints = [
            ExclusionConstraint(
                name="event_once",
                expressions=[
                    ("kind", RangeOperators.EQUAL),
                    ("subject", RangeOperators.EQUAL),
                    ("identity", RangeOperators.EQUAL),
                    ("reference", RangeOperators.EQUAL),
                    (
                        Func(F("since"), F("repeats_after"), function="tstzrange", output_field=DateTimeRangeField()),
                        RangeOperators.OVERLAPS,
                    ),
                ],
            ),
            models.CheckConstraint(
                condition=Q(until=None) | Q(until__gte=F("since")), name="event_ends_after_it_began"
            ),
        ]
        indexes = [
            models.Index(fields=["-since", "-id"], name="event_latest"),  # the lists' order
            models.Index(fields=["kind", "-since", "-id"], name="event_kind"),  # their filters
            models.Index(fields=["identity", "-since"], name="event_identity"),
            # What goes on: asked for by everything that closes.
            models.Index(fields=["kind", "held_at"], condition=Q(until=None), name="event_open"),
            models.Index(fields=["-changed_at"], name="event_changed"),  # streams read what is new
        ]

    def __str__(self) -> str:
        return f"{self.identity}: {self.get_kind_display()}"
