"""What the judge keeps beside the rows goes with age; the words of operators only with their rows."""

import datetime as dt
from typing import Any

import pytest

from tracking import tasks
from tracking.history import partitions
from tracking.truth import forgetting
from tracking.truth.models import Dispute, Jump, PositionKind, Refusal, RefusedPosition

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "direct"])
NOW = dt.datetime(2026, 6, 15, 12, tzinfo=dt.UTC)
DAY = dt.timedelta(days=1)


def enter(
    days_ago: float, at: dt.datetime, identity: str, decision: int = 0, subject: PositionKind = PositionKind.VESSEL
) -> None:
    """A refused position, a dispute and a jump of that time, entered so many days before NOW."""
    known = {"subject": subject, "identity": identity, "entered_at": NOW - days_ago * DAY}
    place = {"latitude": 50.0, "longitude": 4.0}
    RefusedPosition.objects.create(
        timestamp=at, source="test", reason=Refusal.OUTLIER, decision=decision, **known, **place
    )
    Dispute.objects.create(since=at, judged_until=at, state={}, **known)
    Jump.objects.create(at=at, from_latitude=1, from_longitude=1, number=1, **known, **place)


def left() -> list[set[str]]:
    """Whose refused positions, disputes and jumps are left."""
    return [set(model.objects.values_list("identity", flat=True)) for model in (RefusedPosition, Dispute, Jump)]


def test_what_was_entered_long_ago_goes_however_old_its_rows_are(settings: Any) -> None:
    settings.KEEP_QUARANTINE_DAYS = 30
    old_recording = NOW - 3000 * DAY
    enter(31, NOW - 31 * DAY, "1")
    enter(29, old_recording, "2")
    enter(31, NOW - 31 * DAY, "3", decision=RefusedPosition.Decision.ACCEPT)
    assert forgetting.forget(NOW, {}) == 5
    assert left() == [{"2", "3"}, {"2"}, {"2"}]
    settings.KEEP_QUARANTINE_DAYS = 0
    assert forgetting.forget(NOW + 1000 * DAY, {}) == 0


def test_what_belongs_to_rows_that_are_gone_goes_with_them_decided_or_not(settings: Any) -> None:
    settings.KEEP_QUARANTINE_DAYS = 0
    enter(1, NOW - 8 * DAY, "1", decision=RefusedPosition.Decision.REFUSE)
    enter(1, NOW - 8 * DAY, "3c6444", subject=PositionKind.AIRCRAFT)
    enter(1, NOW - 6 * DAY, "2")
    assert forgetting.forget(NOW, {PositionKind.VESSEL: (NOW - 7 * DAY).date()}) == 3
    assert left() == [{"2", "3c6444"}] * 3


def test_many_are_deleted_by_chunks_of_which_no_run_takes_more_than_some(
    settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.KEEP_QUARANTINE_DAYS = 1
    monkeypatch.setattr(forgetting, "CHUNK", 3)
    monkeypatch.setattr(forgetting, "MOST_CHUNKS", 2)
    for n in range(7):
        enter(2, NOW - n * DAY, str(n))
    assert forgetting.forget(NOW, {}) == 18
    assert forgetting.forget(NOW, {}) == 3


def test_housekeeping_forgets(settings: Any) -> None:
    settings.KEEP_VESSEL_POSITIONS_DAYS = 7
    today = dt.datetime.combine(partitions.today(), dt.time(), dt.UTC)
    enter((NOW - today).days, today - 8 * DAY, "1")
    enter((NOW - today).days, today - 6 * DAY, "2")
    assert "3 verdicts forgotten" in tasks.keep_house()
    assert left() == [{"2"}] * 3
