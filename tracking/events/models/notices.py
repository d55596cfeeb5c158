"""Who is told, and what became of each telling."""

from __future__ import annotations

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q

from tracking.events.models.event import Event, EventKind


class NotificationTarget(models.Model):
    """Somebody who is told of events: an address of apprise, whose secrets no page shows again."""

    name = models.CharField(max_length=64, unique=True, help_text="who that is")
    url = models.CharField(max_length=1000, help_text="of apprise: mailto://…, tgram://…, jsons://…; holds secrets")
    kinds = ArrayField(
        models.CharField(max_length=16, choices=EventKind.choices), help_text="which events are sent there"
    )
    enabled = models.BooleanField(default=True, help_text="whether anything is sent")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


class Delivery(models.Model):
    """One event for one target: sent at most once.

    SENDING is committed before anything leaves. Who finds one that stayed so does not know whether it arrived, and
    leaves it: it becomes UNKNOWN, for a person.
    """

    class State(models.TextChoices):
        """How far it got."""

        WAITING = "waiting", "waiting"
        SENDING = "sending", "being sent"
        SENT = "sent", "sent"
        UNKNOWN = "unknown", "may have arrived"
        GIVEN_UP = "given_up", "given up"

    event = models.ForeignKey(Event, models.CASCADE, related_name="deliveries")
    target = models.ForeignKey(NotificationTarget, models.CASCADE, related_name="deliveries")
    state = models.CharField(max_length=8, choices=State.choices, default=State.WAITING)
    attempts = models.SmallIntegerField(default=0, help_text="how often it was tried")
    next_retry_at = models.DateTimeField(null=True, help_text="when it is tried next, UTC; NULL: not by itself")
    began_at = models.DateTimeField(null=True, help_text="when the latest attempt began, UTC")
    ended_at = models.DateTimeField(null=True, help_text="when it was sent or given up, UTC")
    problem = models.CharField(max_length=200, blank=True, default="", help_text="what the latest attempt met")

    class Meta:
        ordering = ["-id"]
        default_permissions = ("view", "change")
        verbose_name_plural = "deliveries"
        constraints = [models.UniqueConstraint(fields=["event", "target"], name="delivery_once")]
        indexes = [
            # What is due, and what stayed in the middle.
            models.Index(fields=["next_retry_at"], condition=Q(state="waiting"), name="delivery_due"),
            models.Index(fields=["began_at"], condition=Q(state="sending"), name="delivery_sending"),
            models.Index(fields=["state", "-id"], name="delivery_state"),  # the list's filter
        ]

    def __str__(self) -> str:
        return f"{self.event} to {self.target}"
