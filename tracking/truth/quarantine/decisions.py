"""What an operator says of a position: accepted or refused, whatever the rule says, with a note.

The word is kept beside the refused position and enters the rule from then on, so that it stays when history is judged
anew. It is noted in the same transaction, and the judge does the rest.
"""

from __future__ import annotations

from typing import Any

from django.db import transaction
from django.utils import timezone

from tracking.truth import notes
from tracking.truth.models import PositionKind, Refusal, RefusedPosition
from tracking.truth.notes import Touched, milliseconds
from tracking.truth.reading import SOURCES, as_key

Decision = RefusedPosition.Decision


def decide(refused: RefusedPosition, decision: int, note: str, user: Any) -> None:
    """Keep what `user` says of a refused position, and have it judged again. Raises django.db errors."""
    refused.decision, refused.note = decision, note
    refused.decided_by, refused.decided_at = user, timezone.now()
    with transaction.atomic():
        refused.save()
        _judge_again(refused)


def refuse(subject: PositionKind, position: Any, note: str, user: Any) -> RefusedPosition:
    """Refuse a position that the rule accepted. Raises django.db errors."""
    refused, _ = RefusedPosition.objects.get_or_create(
        subject=subject,
        identity=str(getattr(position, SOURCES[subject].key)),
        timestamp=position.timestamp,
        defaults={
            "latitude": position.latitude,
            "longitude": position.longitude,
            "source": position.source,
            "reason": Refusal.BY_HAND,
        },
    )
    decide(refused, Decision.REFUSE, note, user)
    return refused


def _judge_again(refused: RefusedPosition) -> None:
    subject = PositionKind(refused.subject)
    at = milliseconds(refused.timestamp)
    notes.note(subject, {as_key(SOURCES[subject], refused.identity): Touched(at, at)})
