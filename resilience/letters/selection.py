"""Which dead letters are meant: the filters of the list, the API, the exports and the jobs, all the same.

Query parameters or JSON come in, a queryset leaves. A selection may be frozen at a moment: letters that died, or failed
again, later than that are not meant. Every filter has an index; nothing here counts a whole table.
"""

import uuid
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from datetime import datetime, timedelta
from typing import Self

from django.db import connection, models
from django.db.models import Q, QuerySet

from resilience.models import DeadLetter

COUNTED = 10_000
CHOICES = 100


class Age(models.TextChoices):
    """How long ago a letter died."""

    HOUR = "hour", "last hour"
    DAY = "day", "last day"
    WEEK = "week", "last week"
    OLDER = "older", "older than a week"


_YOUNGER_THAN = {Age.HOUR: timedelta(hours=1), Age.DAY: timedelta(days=1), Age.WEEK: timedelta(weeks=1)}


class BadSelection(ValueError):
    """A filter that cannot be; `field` names it."""

    def __init__(self, field: str, problem: str) -> None:
        super().__init__(f"{field}: {problem}")
        self.field = field
        self.problem = problem


@dataclass(frozen=True, slots=True)
class Selection:
    """A filter over dead letters; empty fields do not narrow. `q` is the id of a batch or of a letter."""

    status: str = ""
    reason: str = ""
    source: str = ""
    stage: str = ""
    age: str = ""
    fingerprint: str = ""
    batch_id: str = ""
    q: str = ""

    @classmethod
    def of(cls, params: Mapping[str, object]) -> Self:
        """The selection of these parameters, others ignored. Raises BadSelection for values that cannot be."""
        values = {field.name: str(params.get(field.name) or "").strip() for field in fields(cls)}
        for name, known in (("status", DeadLetter.Status.values), ("age", Age.values)):
            if values[name] and values[name] not in known:
                raise BadSelection(name, f"one of {', '.join(known)}")
        for name in ("batch_id", "q"):
            if values[name]:
                values[name] = _uuid(name, values[name])
        if any("\0" in value for value in values.values()):
            raise BadSelection("filter", "no NUL characters")
        return cls(**values)

    def letters(self, now: datetime, frozen: bool = False) -> QuerySet[DeadLetter]:
        """The letters meant at `now`; `frozen`: without those that died or failed again since."""
        letters = DeadLetter.objects.filter(self.condition(now))
        return letters.filter(created_at__lte=now, failed_at__lte=now) if frozen else letters

    def condition(self, now: datetime) -> Q:
        """What the letters meant at `now` have in common."""
        wanted = Q(**{name: value for name, value in self.as_dict().items() if name not in ("age", "q")})
        if self.q:
            wanted &= Q(batch_id=self.q) | Q(id=self.q)
        if self.age == Age.OLDER:
            wanted &= Q(created_at__lt=now - _YOUNGER_THAN[Age.WEEK])
        elif self.age:
            wanted &= Q(created_at__gte=now - _YOUNGER_THAN[Age(self.age)])
        return wanted

    def as_dict(self) -> dict[str, str]:
        """The fields that narrow."""
        return {name: value for name, value in asdict(self).items() if value}

    def __str__(self) -> str:
        words = {"q": "id", "batch_id": "batch", "source": "feed"}
        parts = [f"{words.get(name, name)} {value}" for name, value in self.as_dict().items()]
        return ", ".join(parts) or "no filter: all dead letters"


def count_up_to(letters: QuerySet[DeadLetter], limit: int = COUNTED) -> tuple[int, bool]:
    """How many there are, at most `limit`, and whether that is all of them."""
    found = letters.order_by()[: limit + 1].count()
    return min(found, limit), found <= limit


def distinct(column: str, limit: int = CHOICES) -> list[str]:
    """The values of an indexed text `column`, at most `limit`, in their order: one look into the index for each.

    SELECT DISTINCT would read the whole table. `column` is never a user's.
    """
    table = DeadLetter._meta.db_table
    name = connection.ops.quote_name(column)
    statement = f"""
        WITH RECURSIVE found (value) AS (
            (SELECT {name} FROM {table} ORDER BY {name} LIMIT 1)
            UNION ALL
            SELECT (SELECT {name} FROM {table} WHERE {name} > found.value ORDER BY {name} LIMIT 1)
            FROM found WHERE found.value IS NOT NULL
        )
        SELECT value FROM found WHERE value IS NOT NULL LIMIT %s
    """
    with connection.cursor() as cursor:
        cursor.execute(statement, [limit])
        return [value for (value,) in cursor.fetchall()]


def _uuid(field: str, text: str) -> str:
    try:
        return str(uuid.UUID(text))
    except ValueError as error:
        raise BadSelection(field, "the id of a batch or of a letter, a UUID") from error
