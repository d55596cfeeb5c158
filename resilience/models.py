"""Dead letters: messages that waiting cannot cure, kept raw until somebody or a retry resolves them; and the jobs that
work through many of them. What can be done with both is in the room `resilience/letters`."""

import uuid

from django.db import models

UNGROUPED = "ungrouped"


class DeadLetter(models.Model):
    """One message, or one whole batch, that could not be stored.

    It is written in the same transaction as its good neighbours, is unique by batch and ordinal, and is never deleted
    unresolved. A retry hands it to the callable registered for its `kind` (see `resilience/letters/dead_letters.py`).
    """

    class Status(models.TextChoices):
        PENDING = "pending", "pending"
        EXHAUSTED = "exhausted", "exhausted: no automatic retry is left"
        RESOLVED = "resolved", "resolved"
        DISCARDED = "discarded", "discarded"
        EXPIRED = "expired", "expired: nobody resolved it in time"

    OPEN = (Status.PENDING, Status.EXHAUSTED)
    RETRIABLE = (*OPEN, Status.EXPIRED)  # by a person; the schedule takes the pending ones only
    CLOSED = (Status.RESOLVED, Status.DISCARDED)

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    kind = models.CharField(max_length=32, help_text="which registered handler replays it")
    batch_id = models.UUIDField(help_text="the batch it came in")
    ordinal = models.IntegerField(help_text="its place in that batch, from 0; -1: the batch itself")
    source = models.CharField(max_length=32, help_text="label of the feed")
    received_at = models.DateTimeField(help_text="when the receiver heard it, UTC")
    raw = models.BinaryField(help_text="the message as it was received")
    context = models.JSONField(default=dict, blank=True, help_text="what the handler needs to replay it")
    edited = models.BinaryField(null=True, help_text="what is replayed instead of `raw`; NULL: nobody edited it")
    edited_by = models.CharField(max_length=150, blank=True, help_text="who edited it last")
    edited_at = models.DateTimeField(null=True, blank=True, help_text="when it was edited last, UTC")

    stage = models.CharField(max_length=16, help_text="the stage that failed")
    reason = models.CharField(max_length=64, help_text="stable code of the reason")
    sqlstate = models.CharField(max_length=5, blank=True, help_text="PostgreSQL's error code")
    message = models.CharField(max_length=500, blank=True, help_text="the error's text")
    traceback = models.TextField(blank=True, help_text="where in the code, the last 8,000 characters")
    fingerprint = models.CharField(
        max_length=16, default=UNGROUPED, help_text="the same for letters that failed in the same way"
    )

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
    history = models.JSONField(
        default=list, blank=True, help_text="the latest 20 things done with it: at, by, action, result, detail"
    )

    class Meta:
        ordering = ["-failed_at"]
        permissions = [
            ("retry_deadletter", "Can retry dead letters"),
            ("discard_deadletter", "Can discard dead letters"),
            ("edit_deadletter", "Can edit dead letters before a retry"),
            ("export_deadletter", "Can export dead letters"),
            ("view_traceback", "Can see the tracebacks of dead letters"),
        ]
        constraints = [models.UniqueConstraint(fields=["batch_id", "ordinal"], name="deadletter_once")]
        indexes = [
            # the schedule's question: what is due?
            models.Index(fields=["next_retry_at"], name="deadletter_due", condition=models.Q(status="pending")),
            models.Index(fields=["status", "-failed_at"], name="deadletter_status"),  # the list in the admin
            models.Index(fields=["reason", "-failed_at"], name="deadletter_reason"),  # its filters
            models.Index(fields=["source", "-failed_at"], name="deadletter_source"),
            models.Index(fields=["stage", "-failed_at"], name="deadletter_stage"),
            models.Index(fields=["fingerprint", "-failed_at"], name="deadletter_fingerprint"),
            models.Index(fields=["-failed_at"], name="deadletter_latest"),  # the list without a filter
            models.Index(fields=["created_at"], name="deadletter_age"),  # the filter by age, and what expires
            # the groups of open letters
            models.Index(
                fields=["fingerprint", "created_at"],
                name="deadletter_open_groups",
                condition=models.Q(status__in=("pending", "exhausted")),
            ),
            # what retention deletes
            models.Index(
                fields=["closed_at"],
                name="deadletter_closed",
                condition=models.Q(status__in=("resolved", "discarded")),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.reason} from {self.source}"

    @property
    def is_open(self) -> bool:
        """Whether its message is still to be stored or given up."""
        return self.status in self.OPEN

    @property
    def is_retriable(self) -> bool:
        """Whether a person may still retry it."""
        return self.status in self.RETRIABLE

    @property
    def payload(self) -> bytes:
        """What a retry replays: the edited message, else the one received."""
        return bytes(self.raw if self.edited is None else self.edited)


class LetterJob(models.Model):
    """Retrying or discarding all the letters of a filter, as they were at one moment; worked on by the queue.

    Its counts change in the transaction of the letter they count, so that no death of a worker counts one twice.
    """

    class Action(models.TextChoices):
        RETRY = "retry", "retry"
        DISCARD = "discard", "discard"

    class Status(models.TextChoices):
        QUEUED = "queued", "queued"
        RUNNING = "running", "running"
        DONE = "done", "done"
        CANCELLED = "cancelled", "cancelled"

    ACTIVE = (Status.QUEUED, Status.RUNNING)

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    action = models.CharField(max_length=8, choices=Action.choices)
    selection = models.JSONField(default=dict, blank=True, help_text="the filter; empty: all letters")
    frozen_at = models.DateTimeField(help_text="letters that died or failed later are not meant, UTC")
    reason = models.CharField(max_length=300, blank=True, help_text="why the letters are discarded")
    created_by = models.CharField(max_length=150, help_text="who asked for it")
    created_at = models.DateTimeField(auto_now_add=True)

    status = models.CharField(max_length=16, choices=Status.choices, default=Status.QUEUED)
    total = models.IntegerField(null=True, blank=True, help_text="letters at the beginning; NULL: not begun")
    done = models.IntegerField(default=0, help_text="letters dealt with = resolved + failed + skipped")
    resolved = models.IntegerField(default=0, help_text="letters that were resolved, or discarded")
    failed = models.IntegerField(default=0, help_text="letters that failed again")
    skipped = models.IntegerField(default=0, help_text="letters in other hands, or that stopped their worker 3 times")
    progressed_at = models.DateTimeField(null=True, blank=True, help_text="when a worker last had it, UTC")
    finished_at = models.DateTimeField(null=True, blank=True, help_text="when it was done or cancelled, UTC")

    cursor = models.UUIDField(null=True, editable=False, help_text="the last letter dealt with, in the order of ids")
    tries = models.SmallIntegerField(default=0, editable=False, help_text="times the letter after it was begun")
    runner = models.UUIDField(null=True, editable=False, help_text="the slice that has the job; an older one stops")

    class Meta:
        ordering = ["-created_at"]
        default_permissions = ()  # whoever may see dead letters sees their jobs
        verbose_name = "dead-letter job"
        constraints = [
            models.CheckConstraint(
                condition=models.Q(done=models.F("resolved") + models.F("failed") + models.F("skipped")),
                name="letterjob_adds_up",
            )
        ]
        indexes = [
            models.Index(fields=["-created_at"], name="letterjob_latest"),
            models.Index(
                fields=["created_at"],
                name="letterjob_active",
                condition=models.Q(status__in=("queued", "running")),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.action} of {self.created_at:%Y-%m-%d %H:%M:%S}"

    @property
    def is_active(self) -> bool:
        """Whether there is still something to do, and to cancel."""
        return self.status in self.ACTIVE


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


class ParkedEntry(models.Model):
    """No table: the entry and the permissions of what the queue put aside, in the admin. It lies in Redis."""

    class Meta:
        managed = False
        default_permissions = ()
        permissions = [
            ("view_parked", "Can see parked entries of the queue"),
            ("operate_parked", "Can return and discard parked entries of the queue"),
        ]
        verbose_name = "parked entry"
        verbose_name_plural = "parked entries"

    def __str__(self) -> str:
        return "parked entries"
