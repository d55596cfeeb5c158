"""The admin's log of what people did to dead letters, whether in the admin or through the API."""

from collections.abc import Iterable

from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.auth.models import AbstractBaseUser, AnonymousUser
from django.contrib.contenttypes.models import ContentType
from django.db.models import Model

from resilience.models import DeadLetter

User = AbstractBaseUser | AnonymousUser


def log(user: User, rows: Iterable[Model], text: str) -> None:
    """An entry for each of these letters or jobs."""
    rows = list(rows)
    if rows:
        LogEntry.objects.log_actions(str(user.pk), rows, CHANGE, text)


def log_about(user: User, subject: str, text: str) -> None:
    """One entry for something done to many letters, such as an export."""
    LogEntry.objects.create(
        user_id=str(user.pk),
        content_type=ContentType.objects.get_for_model(DeadLetter),
        object_repr=subject[:200],
        action_flag=CHANGE,
        change_message=text,
    )
