"""The archive: closed days become files that hold every bit, and nothing is dropped that is not in one."""

import datetime as dt
import json
from typing import Any

import duckdb
import pyarrow.parquet as pq
import pytest
from django.core.cache import cache
from django.core.management import CommandError, call_command
from django.db import connection, connections

from tests.support.reports import Report, upsert
from tests.tracking.history.archived import (
    DAY,
    MIDNIGHT,
    NEXT,
    archive_all,
    archive_dir,
    fill,
    restore_all,
    stored,
)
from tracking import tasks
from tracking.history import days, partitions, retention
from tracking.history.archiving import archive, archiver, restore, standing
from tracking.history.days import ArchiveFailed
from tracking.history.files import parquet as files
from tracking.history.files.storage import storage
from tracking.models import AircraftPosition, ArchivedDay, VesselPosition

__all__ = ["archive_dir"]
pytestmark = [
    pytest.mark.django_db(transaction=True, databases=["default", "direct"]),
    pytest.mark.usefixtures("archive_dir"),
]
MODELS = (VesselPosition, AircraftPosition)
VESSELS = VesselPosition._meta.db_table
LATE = {"timestamp": MIDNIGHT + dt.timedelta(hours=1), "received_at": MIDNIGHT}


def test_every_column_comes_back_bit_for_bit() -> None:
    fill()
    before = {model: stored(model) for model in MODELS}
    assert {(done.kind, done.rows) for done in archive_all()} == {("vessel", 500), ("aircraft", 500)}
    assert [stored(model) for model in MODELS] == [set(), set()]
    restore_all()
    assert {model: stored(model) for model in MODELS} == before


def test_partitions_go_and_records_say_what_lies_where(archive_dir: Any) -> None:
    fill()
    fill(day=NEXT, rows=3)
    archive_all(before=NEXT)
    assert partitions.existing(VESSELS) == {NEXT}
    found = ArchivedDay.objects.get(kind="vessel")
    assert (found.day, found.rows) == (DAY, 500)
    assert found.bytes == (archive_dir / "kind=vessel/day=2026-05-01/positions.parquet").stat().st_size


def test_other_tools_read_the_files_in_order_and_with_units(archive_dir: Any) -> None:
    fill()
    archive_all()
    with duckdb.connect() as connection:
        rows = connection.execute(
            f"SELECT aircraft_id, epoch_us(timestamp), kind, day::text FROM '{archive_dir}/*/*/*.parquet'"
            " WHERE kind = 'aircraft'"
        ).fetchall()
    assert len(rows) == 500 and {row[2:] for row in rows} == {("aircraft", "2026-05-01")}
    assert rows == sorted(rows)
    schema = pq.read_schema(archive_dir / "kind=vessel/day=2026-05-01/positions.parquet")
    assert b"knots" in schema.field("speed").metadata[b"description"]


def test_a_late_row_makes_the_day_whole_again_by_the_conflict_rule(archive_dir: Any) -> None:
    partitions.make([DAY])
    upsert(Report(**LATE, speed=5.0, score=50), Report(**LATE, vessel_id=211000002))
    archive_all()
    upsert(Report(**LATE, latitude=54.0001, heading=90, score=60), Report(**LATE, vessel_id=211000003))
    archive_all()
    assert stored() == set() and ArchivedDay.objects.get().rows == 3
    restore_all()
    winner = VesselPosition.objects.get(vessel_id=211000001)
    assert (winner.latitude, winner.heading, winner.speed, winner.score) == (54.0001, 90, 5.0, 60)


def test_an_archived_day_is_not_read_and_written_anew_for_each_late_row() -> None:
    partitions.make([DAY])
    upsert(Report(**LATE))
    archive_all()
    upsert(Report(**LATE, vessel_id=211000002))
    now = dt.datetime.now(dt.UTC)
    assert archive.due(NEXT, now) == []
    assert [one.merges for one in archive.due(NEXT, now + archive.MERGE_EVERY)] == [True]


def test_an_empty_partition_of_an_archived_day_costs_nothing() -> None:
    partitions.make([DAY])
    upsert(Report(**LATE))
    archive_all()
    at = ArchivedDay.objects.get().at
    partitions.make([DAY])
    assert archive_all() == [] and ArchivedDay.objects.get().at == at
    assert partitions.existing(VESSELS) == set()


def test_a_day_that_is_written_to_meanwhile_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    fill(rows=5)
    write = files.write

    def slow(*arguments: Any) -> Any:
        done = write(*arguments)
        with connections["default"].cursor() as cursor:  # another session than the archiver's
            cursor.execute(f"UPDATE {VESSELS} SET score = 1 WHERE id = (SELECT min(id) FROM {VESSELS})")
        return done

    if connections["default"] is connections["direct"] or connections["default"].connection is None:
        connections["default"].ensure_connection()
    monkeypatch.setattr(files, "write", slow)
    before = len(stored())
    outcome = archive_all()
    assert [one.reason for one in outcome if isinstance(one, ArchiveFailed)] == ["rows_came_in"]
    assert len(stored()) == before
    monkeypatch.undo()
    assert {done.rows for done in archive_all()} == {5}


def test_a_file_that_holds_something_else_is_no_archive(monkeypatch: pytest.MonkeyPatch, archive_dir: Any) -> None:
    fill(rows=5)
    before = stored()
    monkeypatch.setattr(files, "digest", lambda *_: files.wire.Digest())
    outcome = archive_all()
    assert {one.reason for one in outcome} == {"read_back_differs"}
    assert stored() == before and not list(archive_dir.rglob("*.parquet")) and not ArchivedDay.objects.exists()


def test_a_damaged_file_is_not_restored(archive_dir: Any) -> None:
    fill(rows=50)
    archive_all()
    ArchivedDay.objects.filter(kind="vessel").update(hash="0" * 32)
    with pytest.raises(ArchiveFailed, match="stays in the archive"):
        restore.bring_back(VesselPosition, DAY)
    (archive_dir / "kind=aircraft/day=2026-05-01/positions.parquet").write_bytes(b"PAR1 nothing PAR1")
    with pytest.raises(ArchiveFailed, match="could not be read"):
        restore.bring_back(AircraftPosition, DAY)
    assert stored() == set() and ArchivedDay.objects.filter(restored_at=None).count() == 2


def test_a_restored_day_stays_for_a_week() -> None:
    fill(rows=5)
    archive_all()
    restore_all()
    now = dt.datetime.now(dt.UTC)
    assert archive.due(NEXT, now) == [] and len(archive.due(NEXT, now, at_once=True)) == 2
    assert {one.merges for one in archive.due(NEXT, now + archive.HELD)} == {False}


def test_rows_without_a_partition_are_archived_too() -> None:
    upsert(Report(**LATE))
    assert [done.rows for done in archive_all()] == [1]


def test_only_one_archives_at_a_time() -> None:
    fill(rows=2)
    other = connection.copy()
    with other.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_lock(%s)", [days._ONE_ARCHIVER])
        with pytest.raises(days.Busy):
            archive_all()
        cursor.execute("SELECT pg_advisory_unlock(%s)", [days._ONE_ARCHIVER])
    other.close()
    assert archive_all()


def test_what_a_killed_archiver_left_is_swept(archive_dir: Any) -> None:
    left = archive_dir / "kind=vessel/day=2026-05-01/.writing-0-positions.parquet"
    left.parent.mkdir(parents=True)
    left.write_bytes(b"half")
    assert storage().sweep(dt.timedelta(days=1)) == 0
    assert storage().sweep(dt.timedelta(seconds=-1)) == 1 and not left.exists()
    with connections["direct"].cursor() as cursor:
        cursor.execute(f'CREATE TABLE "{VESSELS}_20260501_restoring" ()')
    archive_all()
    with connections["direct"].cursor() as cursor:
        cursor.execute("SELECT to_regclass(%s)", [f"{VESSELS}_20260501_restoring"])
        assert cursor.fetchone() == (None,)


def test_retention_of_the_archive_has_its_own_setting(settings: Any, archive_dir: Any) -> None:
    fill(rows=2)
    fill(rows=2, day=NEXT)
    archive_all()
    assert archiver.drop_before(dt.date(2026, 5, 10)) == 0
    settings.KEEP_ARCHIVED_DAYS = 8
    assert archiver.drop_before(dt.date(2026, 5, 10)) == 2
    assert {row.day for row in ArchivedDay.objects.all()} == {NEXT}
    assert [path.parent.name for path in archive_dir.rglob("*.parquet")] == ["day=2026-05-02"] * 2


def test_retention_does_not_drop_what_is_to_be_archived(settings: Any) -> None:
    settings.KEEP_VESSEL_POSITIONS_DAYS, settings.KEEP_AIRCRAFT_POSITIONS_DAYS, settings.ARCHIVE_AFTER_DAYS = 90, 3, 7
    assert set(retention.edges(NEXT)) == {AircraftPosition._meta.db_table}


def test_housekeeping_starts_an_archiver_only_for_work(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    assert tasks.keep_house().endswith("archiving is off")
    settings.ARCHIVE_AFTER_DAYS = 7
    assert tasks.keep_house().endswith("nothing to archive")
    started: list[Any] = []
    monkeypatch.setattr(archiver.subprocess, "Popen", lambda command, **_: started.append(command))
    fill(rows=1)
    assert tasks.keep_house().endswith("archiving of 2 days started")
    assert started[0][-2:] == ["archive", "--quiet"]


def test_the_commands_archive_and_restore(capsys: pytest.CaptureFixture[str]) -> None:
    fill(rows=20)
    before = stored()
    call_command("archive", "--before", "2026-05-02", "--dry-run")
    assert "would archive vessel 2026-05-01" in capsys.readouterr().out and stored() == before
    call_command("archive", "--before", "2026-05-02", "--json")
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert {(line["kind"], line["rows"]) for line in lines} == {("vessel", 20), ("aircraft", 20)}
    call_command("restore", "2026-05-01", "--kind", "vessel")
    assert "vessel 2026-05-01: 20 rows restored" in capsys.readouterr().out and stored() == before
    with pytest.raises(CommandError, match="None of these days"):
        call_command("restore", "2026-05-01", "--kind", "vessel")
    with pytest.raises(CommandError, match="ARCHIVE_AFTER_DAYS"):
        call_command("archive")
    with pytest.raises(CommandError, match="in the future"):
        call_command("archive", "--before", "9999-01-01")


def test_the_status_page_says_what_lies_there_and_what_waits(settings: Any) -> None:
    cache.delete(archiver.FAILURE)
    assert "archive" not in {section["name"] for section in standing.sections()}
    fill(rows=2)
    settings.ARCHIVE_AFTER_DAYS = 7
    assert "archive" in {section["name"] for section in standing.sections()}
    assert standing.archive()["state"] == "degraded" and "2 days wait" in standing.archive()["summary"]
    archive_all()
    assert standing.archive()["state"] == "ok" and "1 days, 4 positions" in standing.archive()["summary"]


def test_a_storage_that_fails_leaves_partitions_and_is_said(archive_dir: Any) -> None:
    fill(rows=2)
    before = stored()
    archive_dir.parent.joinpath("archive").write_text("a file where a directory should be")
    assert [one.reason for one in archive_all()] == ["storage_failed"]
    assert stored() == before and "refuses" in standing.archive()["summary"]
    archive_dir.unlink()
    archive_all()
    assert standing.archive()["state"] == "ok"
