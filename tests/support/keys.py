"""Keys of the API for tests."""

import datetime as dt
from typing import Any

from django.utils import timezone

from tracking.access.api_keys import ApiKey, Scope


def make_key(user: Any, *scopes: Scope, expires_at: dt.datetime | None = None) -> ApiKey:
    """A saved row whose attribute `key` is the key; with all scopes where none is named. It was used just now, so
    that its next use writes nothing."""
    row = ApiKey(user=user, name="test", scopes=list(scopes or Scope), expires_at=expires_at)
    row.last_used_at = timezone.now()
    row.give_key()
    row.save()
    return row


def header(row: ApiKey, scheme: str = "Token") -> str:
    """The value of the header Authorization."""
    return f"{scheme} {row.key}"
