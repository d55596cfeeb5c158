"""What identities said of themselves before: one row a static value, written when it changes.

`tracking/positions/identities.py` writes them in the statement that changes the identity, so a report that says nothing
new writes nothing here. Values are texts, as the identity's column shows them.
"""

from __future__ import annotations

from django.db import models


class StaticChange(models.Model):
    """A value that was heard for the first time, or instead of another."""

    field = models.CharField(max_length=16, help_text="which value, by its name in the identity")
    value = models.CharField(max_length=20, help_text="what it is from then on, in the identity's unit")
    source = models.CharField(max_length=32, blank=True, help_text="label of the feed that said it first")
    since = models.DateTimeField(help_text="time of the report that said it first, UTC")

    class Meta:
        abstract = True
        default_permissions = ("view",)
        ordering = ["-since", "-id"]

    def __str__(self) -> str:
        return f"{self.field} {self.value}"


class VesselChange(StaticChange):
    """A change of what a vessel says of itself; its ETA is not kept."""

    vessel = models.ForeignKey(
        "tracking.Vessel", models.CASCADE, related_name="changes", db_constraint=False, db_index=False, help_text="who"
    )

    class Meta(StaticChange.Meta):
        # The history of one vessel, newest first.
        indexes = [models.Index(fields=["vessel", "-since", "-id"], name="vesselchange_history")]


class AircraftChange(StaticChange):
    """A change of what an aircraft, or a source, says of it."""

    aircraft = models.ForeignKey(
        "tracking.Aircraft",
        models.CASCADE,
        related_name="changes",
        db_constraint=False,
        db_index=False,
        help_text="which",
    )

    class Meta(StaticChange.Meta):
        verbose_name_plural = "aircraft changes"
        # The history of one aircraft, newest first.
        indexes = [models.Index(fields=["aircraft", "-since", "-id"], name="aircraftchange_history")]
