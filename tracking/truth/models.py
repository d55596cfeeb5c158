"""What the judging of history keeps beside the rows: what is left to do, disputes, jumps, and refused positions.

A position itself carries only its number (`track`). Identities are text here, an MMSI without leading zeros, so that
ships and aircraft share the tables.
"""

from __future__ import annotations

import datetime as dt
from typing import NamedTuple

from django.conf import settings
from django.contrib.postgres.indexes import BrinIndex
from django.db import models
from django.db.models.functions import Now

from tracking.truth import terms
from tracking.truth.rule import Track

_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)


def _entered_at() -> models.DateTimeField:  # type: ignore[type-arg]
    """When a row was written, by the database's clock: what its age is counted from."""
    return models.DateTimeField(db_default=Now(), editable=False, help_text="when it was entered, UTC")


class PositionKind(models.TextChoices):
    """Whose positions."""

    VESSEL = "vessel", "vessel"
    AIRCRAFT = "aircraft", "aircraft"


class Refusal(models.IntegerChoices):
    """Why a position is refused (`tracking/truth/terms.py`)."""

    OUTLIER = terms.RefusalCode.OUTLIER, "outlier"
    REPEAT = terms.RefusalCode.REPEAT, "repeat"
    SPOOFED = terms.RefusalCode.SPOOFED, "spoofed"
    COARSE = terms.RefusalCode.COARSE, "coarse"
    NULL_ISLAND = terms.RefusalCode.NULL_ISLAND, "null island"
    BY_HAND = terms.RefusalCode.BY_HAND, "by hand"


class Unjudged(models.Model):
    """What one batch touched, written in its transaction and deleted in that of the judge."""

    subject = models.CharField(max_length=8, choices=PositionKind.choices)
    touched = models.BinaryField(help_text="msgpack: [identities], [first ms], [last ms] since 1970")

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return f"batch {self.pk} of {self.subject}s"


class OpenTrack(NamedTuple):
    """The last position of an open track; `number` is None while nothing confirms the track."""

    number: int | None
    latitude: float
    longitude: float
    at: dt.datetime


def _open_track(track: Track) -> OpenTrack:
    at = _EPOCH + track.last.ts * dt.timedelta(milliseconds=1)
    return OpenTrack(track.number if track.confirmed else None, *track.last.place, at)


class Dispute(models.Model):
    """More than one track under one identity: two ships with one MMSI, a teleport, a spoofed receiver."""

    subject = models.CharField(max_length=8, choices=PositionKind.choices)
    identity = models.CharField(max_length=9, help_text="MMSI or ICAO address")
    since = models.DateTimeField(help_text="time of the first position that nothing confirms, UTC")
    until = models.DateTimeField(null=True, help_text="when one track was left and had gone on, UTC; NULL: open")
    judged_until = models.DateTimeField(help_text="time of the last position that `state` knows of, UTC")
    state = models.JSONField(null=True, help_text="the open tracks, as the rule goes on with them")
    entered_at = _entered_at()

    class Meta:
        ordering = ["-since"]
        default_permissions = ("view",)
        constraints = [
            models.UniqueConstraint(fields=["subject", "identity", "since"], name="dispute_once"),
        ]
        indexes = [
            models.Index(fields=["-since"], name="dispute_since"),  # the list's order
            BrinIndex(fields=["entered_at"], name="dispute_entered"),  # what is old enough to go
        ]

    def __str__(self) -> str:
        return f"{self.identity} since {self.since:%Y-%m-%d %H:%M:%S}"

    @property
    def tracks(self) -> list[OpenTrack]:
        """Those that are open, none where it is over."""
        return [_open_track(Track.load(saved)) for saved in (self.state or {}).get("tracks", ())]


class Jump(models.Model):
    """A confirmed track that began beside another: many to one place are a spoofed fleet."""

    subject = models.CharField(max_length=8, choices=PositionKind.choices)
    identity = models.CharField(max_length=9, help_text="MMSI or ICAO address")
    at = models.DateTimeField(help_text="time of its first position, UTC")
    latitude = models.FloatField(help_text="degrees north, WGS 84")
    longitude = models.FloatField(help_text="degrees east, WGS 84")
    from_latitude = models.FloatField(help_text="of the track that it left, degrees north")
    from_longitude = models.FloatField(help_text="of the track that it left, degrees east")
    number = models.SmallIntegerField(help_text="of the track, within its dispute")
    fleet = models.BooleanField(default=False, help_text="one of many that jumped to one place")
    entered_at = _entered_at()

    class Meta:
        default_permissions = ()
        constraints = [models.UniqueConstraint(fields=["subject", "identity", "at"], name="jump_once")]
        indexes = [
            models.Index(fields=["at"], name="jump_at"),  # who else jumped then
            BrinIndex(fields=["entered_at"], name="jump_entered"),  # what is old enough to go
        ]

    def __str__(self) -> str:
        return f"{self.identity} at {self.at:%Y-%m-%d %H:%M:%S}"


class RefusedPosition(models.Model):
    """A position that the judge or an operator refused; its row stays where it is, with the number of the reason."""

    class Decision(models.IntegerChoices):
        """What an operator said."""

        REFUSE = terms.OperatorDecision.REFUSE, "refused by hand"
        NONE = terms.OperatorDecision.NONE, "as judged"
        ACCEPT = terms.OperatorDecision.ACCEPT, "accepted by hand"

    subject = models.CharField(max_length=8, choices=PositionKind.choices)
    identity = models.CharField(max_length=9, help_text="MMSI or ICAO address")
    timestamp = models.DateTimeField(help_text="time of the position, UTC")
    latitude = models.FloatField(help_text="degrees north, WGS 84")
    longitude = models.FloatField(help_text="degrees east, WGS 84")
    source = models.CharField(max_length=32, help_text="label of the feed")
    reason = models.SmallIntegerField(choices=Refusal.choices, help_text="why it belongs to no track")
    distance_m = models.FloatField(null=True, help_text="metres from the nearest track; NULL: there was none")
    seconds = models.FloatField(null=True, help_text="since that track's last position")
    budget_m = models.FloatField(null=True, help_text="metres that were possible in that time")
    decision = models.SmallIntegerField(choices=Decision.choices, default=Decision.NONE, help_text="of an operator")
    note = models.CharField(max_length=200, blank=True, default="", help_text="why, in the operator's words")
    decided_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+", help_text="which operator"
    )
    decided_at = models.DateTimeField(null=True, help_text="when, UTC")
    entered_at = _entered_at()

    class Meta:
        ordering = ["-timestamp"]
        default_permissions = ("view", "change")
        constraints = [
            models.UniqueConstraint(fields=["subject", "identity", "timestamp"], name="refusedposition_once"),
        ]
        indexes = [
            models.Index(fields=["-timestamp"], name="refusedposition_time"),  # the list's order
            models.Index(fields=["reason", "-timestamp"], name="refusedposition_reason"),  # its filter
            BrinIndex(fields=["entered_at"], name="refusedposition_entered"),  # what is old enough to go
            # What operators said, asked for by every pass of the judge.
            models.Index(fields=["subject"], condition=~models.Q(decision=0), name="refusedposition_decided"),
        ]

    def __str__(self) -> str:
        return f"{self.identity} at {self.timestamp:%Y-%m-%d %H:%M:%S}: {self.get_reason_display()}"
