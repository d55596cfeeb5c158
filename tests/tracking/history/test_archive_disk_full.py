"""An archive on a full disk: partitions stay as they were, the status page says why, and room is all that is needed."""

from pathlib import Path
from typing import Any

import pytest

from tests.faults.test_disk_full import disk, may_mount
from tests.faults.test_disk_full import fill as fill_up
from tests.tracking.history.archived import archive_all, archive_dir, fill, restore_all, stored
from tracking.history.archiving import standing
from tracking.models import AircraftPosition, VesselPosition

__all__ = ["archive_dir", "disk"]
pytestmark = [
    pytest.mark.fault,
    pytest.mark.skipif(not may_mount(), reason="a small disk must be mounted, which needs CAP_SYS_ADMIN"),
    pytest.mark.django_db(transaction=True, databases=["default", "direct"]),
    pytest.mark.usefixtures("archive_dir"),
]
MODELS = (VesselPosition, AircraftPosition)


def test_a_full_disk_leaves_every_row_in_postgresql_until_there_is_room(disk: Path, settings: Any) -> None:
    settings.ARCHIVE_URL = str(disk / "archive")
    filler = fill_up(disk)
    fill()
    before = {model: stored(model) for model in MODELS}
    assert [one.reason for one in archive_all()] == ["storage_full"]
    assert {model: stored(model) for model in MODELS} == before
    assert standing.archive()["state"] != "ok"
    filler.unlink()
    assert len(archive_all()) == len(MODELS)
    assert [stored(model) for model in MODELS] == [set(), set()]
    assert standing.archive()["state"] == "ok"
    restore_all()
    assert {model: stored(model) for model in MODELS} == before
