"""Dead letters: messages that waiting cannot cure, kept raw until somebody or a retry resolves them."""

import uuid

from django.db import models


class DeadLetter(models.Model):
    """One message, or one whole batch, that could not be stored.

    It is written in the same transaction as its good neighbours, is unique by batch and ordinal, and is never deleted
    unresolved. A retry hands it to the callable registered for its `kind` (see `resilience/dead_letters.py`).
    """

    class Status(models.TextChoices):
        PENDING = "pending", "pending"
        EXHAUSTED = "exhausted", "exhausted: no automatic retry is left"
        RESOLVED = "resolved", "resolved"
        DISCARDED = "discarded", "discarded"

    OPEN = (Status.PENDING, Status.EXHAUSTED)

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    kind = models.CharField(max_length=32, help_text="which registered handler replays it")
    batch_id = models.UUIDField(help_text="the batch it came in")
    ordinal = models.IntegerField(help_text="its place in that batch, from 0; -1: the batch itself")
    source = models.CharField(max_length=32, help_text="label of the feed")
    received_at = models.DateTimeField(help_text="when the receiver heard it, UTC")
    raw = models.BinaryField(help_text="the message as it was received")
    context = models.JSONField(default=dict, blank=True, help_text="what the handler needs to replay it")

    stage = models.CharField(max_length=16, help_text="the stage that failed")
    reason = models.CharField(max_length=64, help_text="stable code of the reason")
    sqlstate = models.CharField(max_length=5, blank=True, help_text="PostgreSQL's error code")
    message = models.CharField(max_length=500, blank=True, help_text="the error's text")

    status = models.CharField(max_length=16, choices=Status.choices, default=Status.PENDING)
    attempts = models.SmallIntegerField(default=0, help_text="retries so far")
    failed_at = models.DateTimeField(help_text="time of the latest failure, UTC")
    next_retry_at = models.DateTimeField(
        null=True, blank=True, help_text="when the schedule retries it; NULL: not by itself"
    )
    created_at = models.DateTimeField(auto_now_add=True)
    closed_at = models.DateTimeField(null=True, blank=True, help_text="when it was resolved or discarded")
    closed_by = models.CharField(max_length=150, blank=True, help_text="who resolved or discarded it")
    note = models.TextField(blank=True, help_text="why it was discarded, or what the retry did")

    class Meta:
        ordering = ["-failed_at"]
        permissions = [
            ("retry_deadletter", "Can retry dead letters"),
            ("discard_deadletter", "Can discard dead letters"),
        ]
        constraints = [models.UniqueConstraint(fields=["batch_id", "ordinal"], name="deadletter_once")]
        indexes = [
            # the schedule's question: what is due?
            models.Index(fields=["next_retry_at"], name="deadletter_due", condition=models.Q(status="pending")),
            models.Index(fields=["status", "-failed_at"], name="deadletter_status"),  # the list in the admin
            models.Index(fields=["reason", "-failed_at"], name="deadletter_reason"),  # its filters
            models.Index(fields=["source", "-failed_at"], name="deadletter_source"),
        ]

    def __str__(self) -> str:
        return f"{self.reason} from {self.source}"

    @property
    def is_open(self) -> bool:
        """Whether its message is still to be stored or given up."""
        return self.status in self.OPEN


class Switchboard(models.Model):
    """No table: the entry and the permissions of the circuit breakers in the admin. Their state lives in Redis."""

    class Meta:
        managed = False
        default_permissions = ()
        permissions = [
            ("view_breaker", "Can see circuit breakers"),
            ("operate_breaker", "Can trip and reset circuit breakers"),
        ]
        verbose_name = "circuit breaker"
        verbose_name_plural = "circuit breakers"

    def __str__(self) -> str:
        return "circuit breakers"
