"""Keys of the API: who may use one, for what and how long. A key enters, its row leaves.

A key is 256 random bits, shown once to the user who made it for himself and kept as its SHA-256: nothing slower is
needed for what nobody can guess. It never gives more than its user may do, and of that only what its scopes name.
"""

from __future__ import annotations

import datetime as dt
import logging
import secrets
from hashlib import sha256

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import DatabaseError, models
from django.db.models import Q
from django.utils import timezone

logger = logging.getLogger(__name__)

KEY_BYTES = 32
PREFIX_CHARACTERS = 6
USE_NOTED_EVERY = dt.timedelta(minutes=1)


class Scope(models.TextChoices):
    """What a key may be used for."""

    LIVE = "live", "read live state"
    HISTORY = "history", "read history, feeds and dead letters"
    OPERATE = "operate", "retry, edit and discard dead letters"


class ApiKey(models.Model):
    """A key of one user."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="api_keys")
    name = models.CharField(max_length=64, help_text="what it is for")
    prefix = models.CharField(max_length=16, editable=False, help_text="how the key begins, to tell keys apart")
    key_hash = models.CharField(max_length=64, unique=True, editable=False, help_text="SHA-256 of the key, hexadecimal")
    scopes = ArrayField(models.CharField(max_length=16, choices=Scope.choices), help_text="what it may be used for")
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    expires_at = models.DateTimeField(null=True, blank=True, help_text="when it ends, UTC; NULL: never")
    last_used_at = models.DateTimeField(
        null=True, blank=True, editable=False, help_text="latest use, UTC, exact to about a minute"
    )

    key = ""  # of a row that `give_key` was called for; no column

    class Meta:
        ordering = ["-created_at"]
        default_permissions = ("add", "view", "delete")  # nobody changes one: it is deleted and made anew
        verbose_name = "API key"
        constraints = [
            models.CheckConstraint(
                condition=Q(scopes__contained_by=["live", "history", "operate"]), name="apikey_scopes"
            )
        ]

    def __str__(self) -> str:
        return f"{self.name} ({self.prefix}…)"

    def give_key(self) -> None:
        """Make the key of a new row: its attribute `key` says it, and nothing keeps it."""
        self.key = secrets.token_urlsafe(KEY_BYTES)
        self.prefix, self.key_hash = self.key[:PREFIX_CHARACTERS], hashed(self.key)

    def has_expired(self) -> bool:
        """Whether its time is over."""
        return self.expires_at is not None and self.expires_at <= timezone.now()

    def note_use(self) -> None:
        """Keep the time, once a minute at most. A database that only reads stops nobody."""
        now = timezone.now()
        if self.last_used_at is not None and now - self.last_used_at < USE_NOTED_EVERY:
            return
        try:
            ApiKey.objects.filter(pk=self.pk).update(last_used_at=now)
        except DatabaseError as error:
            logger.warning("the use of the API key %s is not noted: %s", self.pk, error)


def hashed(key: str) -> str:
    """The key as it is kept: SHA-256, hexadecimal."""
    return sha256(key.encode("utf-8", "surrogateescape")).hexdigest()


def find(key: str) -> ApiKey | None:
    """The row of a key that may be used now, with its user; None for one that is unknown, over, or of nobody active."""
    found = ApiKey.objects.select_related("user").filter(key_hash=hashed(key), user__is_active=True).first()
    return found if found is not None and not found.has_expired() else None
