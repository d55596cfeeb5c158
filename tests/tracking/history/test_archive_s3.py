"""The archive in S3: a server of the test's own, and what happens when it goes away."""

import logging
from collections.abc import Iterator
from typing import Any

import pytest
from moto.server import ThreadedMotoServer

from tests.tracking.history.archived import archive_all, archive_dir, fill, restore_all, stored
from tests.tracking.history.test_door import TWO_DAYS
from tracking.history import door, engine, replay
from tracking.history.door import HistorySpan
from tracking.history.files.storage import storage
from tracking.models import ArchivedDay, VesselPosition

__all__ = ["archive_dir"]
pytestmark = [
    pytest.mark.django_db(transaction=True, databases=["default", "direct"]),
    pytest.mark.usefixtures("archive_dir"),
]


@pytest.fixture
def s3(settings: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[ThreadedMotoServer]:
    """A server with an empty bucket, and the archive in it."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    where = f"scheme=http&endpoint_override={host}:{port}&region=us-east-1&allow_bucket_creation=true"
    settings.ARCHIVE_URL = f"s3://positions-{port}/history?{where}"
    storage().files.create_dir(f"positions-{port}")
    yield server
    server.stop()


def test_days_go_to_s3_are_read_there_and_come_back(s3: Any) -> None:
    fill(rows=300, ships=5)
    before, track = stored(), door.positions_of(HistorySpan(VesselPosition, *TWO_DAYS, 211_000_001), 100)
    assert {done.rows for done in archive_all()} == {300}
    assert stored() == set() and len(track) == 60
    assert door.positions_of(HistorySpan(VesselPosition, *TWO_DAYS, 211_000_001), 100) == track
    assert len(list(door.stream(HistorySpan(VesselPosition, *TWO_DAYS)))) == 300
    assert replay.keep_hour(VesselPosition, TWO_DAYS[0]) > 0
    restore_all()
    assert stored() == before


def test_a_lost_endpoint_leaves_partitions_as_they_were_and_is_said(s3: Any) -> None:
    fill(rows=5)
    before = stored()
    archive_all()
    restore_all()
    storage()
    s3.stop()
    assert [one.reason for one in archive_all()] == ["storage_failed"]
    assert stored() == before and not ArchivedDay.objects.filter(restored_at=None).exists()


def test_questions_about_a_lost_endpoint_fail_and_do_not_lie(s3: Any) -> None:
    fill(rows=5)
    archive_all()
    s3.stop()
    with pytest.raises(engine.ArchiveUnread):
        door.positions_of(HistorySpan(VesselPosition, *TWO_DAYS, 211_000_001), 100)
