"""`manage.py backfill`: once, whoever is killed and however many processes; the same figures as `ingest`."""

import datetime as dt
import gzip
import io
import json
import os
import shutil
import signal
import threading

import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from ingest.backfill import reading as backfill_reading
from ingest.backfill import worker as backfill_worker
from ingest.models import Batch
from resilience.models import DeadLetter
from tests.support.dumps import HEADER, dump
from tests.support.messages import position
from tests.support.recordings import recording
from tracking.history import partitions
from tracking.models import AircraftPosition, Station, Vessel, VesselPosition

pytestmark = [pytest.mark.django_db(transaction=True, databases=["default", "direct"])]

ROWS = 3_000
ACCOUNT = {"stored": ROWS, "messages": ROWS, "positions": ROWS, "waiting": 0, "lines": ROWS + 1, "foreign": 1}


@pytest.fixture(autouse=True)
def small_batches(monkeypatch):
    """Thirty batches in a small dump, identities after every four."""
    monkeypatch.setattr(backfill_reading, "BATCH_MESSAGES", 100)
    monkeypatch.setattr(backfill_worker, "TOGETHER_BATCHES", 4)


@pytest.fixture
def csv(tmp_path):
    path = tmp_path / "dump.csv"
    path.write_bytes(dump(ROWS))
    return path


def backfill(*args, processes=2):
    """The account of the last file."""
    out = io.StringIO()
    arguments = [*map(str, args), "--processes", str(processes), "--json"]
    call_command("backfill", *arguments, stdout=out, stderr=io.StringIO())
    return json.loads(out.getvalue().splitlines()[-1])


def tables():
    """What is stored, but for keys that a sequence gives."""
    kept = {
        model: [field.attname for field in model._meta.concrete_fields if field.attname != "id"] for model in MODELS
    }
    return {model.__name__: sorted(map(str, model.objects.values_list(*names))) for model, names in kept.items()}


MODELS = (VesselPosition, AircraftPosition, Vessel, Station)


def empty():
    """As before the first run."""
    for model in (*MODELS, Batch, DeadLetter):
        model.objects.all().delete()


def holds(account, wanted):
    assert {name: account[name] for name in wanted} == wanted


def test_a_dump_is_stored_and_accounted_for(csv):
    said = backfill(csv)
    holds(said, ACCOUNT | {"batches": 30, "already": 0, "whole": True})
    assert VesselPosition.objects.count() == ROWS
    ship = Vessel.objects.get(mmsi=366_000_299)
    assert (ship.name, ship.draught, ship.to_stern) == ("SHIP 299", 5.0, 100)
    assert ship.static_at == ship.last_seen == VesselPosition.objects.filter(vessel=ship).latest("timestamp").timestamp
    assert {dt.date(2025, 1, 1), dt.date(2025, 1, 2)} <= partitions.existing("tracking_vesselposition")
    assert not Batch.objects.filter(index=None).exists()


def test_the_same_command_again_repeats_nothing(csv, tmp_path):
    backfill(csv)
    moved = shutil.move(csv, tmp_path / "moved")
    os.utime(moved, (0, 0))
    holds(backfill(moved, "--label", "dump.csv"), ACCOUNT | {"already": ROWS, "batches": 30})


def test_another_score_is_another_run(csv):
    backfill(csv)
    holds(backfill(csv, "--score", "81"), {"already": 0, "stored": 0, "merged": ROWS})


def test_many_processes_store_what_one_does(csv):
    one = backfill(csv, processes=1)
    stored = tables()
    empty()
    many = backfill(csv, processes=5)
    assert (tables(), many | {"seconds": 0}) == (stored, one | {"seconds": 0})


def test_a_batch_without_its_identities_is_completed_by_the_next_run(csv):
    backfill(csv)
    stored = tables()
    Vessel.objects.all().delete()
    VesselPosition.objects.filter(vessel_id__lt=0).delete()
    Batch.objects.update(index=None)
    positions = VesselPosition.objects.count()
    holds(backfill(csv), {"already": ROWS, "batches": 30})
    assert (VesselPosition.objects.count(), tables()["Vessel"]) == (positions, stored["Vessel"])


def test_several_files_one_of_them_compressed(csv, tmp_path):
    packed = tmp_path / "more.csv.gz"
    packed.write_bytes(gzip.compress(dump(500, ships=20, seconds=60.5)))
    out = io.StringIO()
    call_command("backfill", str(csv), str(packed), "--json", "--processes", "2", stdout=out, stderr=io.StringIO())
    first, second = map(json.loads, out.getvalue().splitlines())
    assert (first["file"], second["file"]) == (str(csv), str(packed))
    holds(first, ACCOUNT)
    holds(second, {"messages": 500, "lines": 501})


def test_a_worker_that_is_killed_loses_and_repeats_nothing(csv, monkeypatch, tmp_path):
    once = backfill(csv)
    stored = tables()
    empty()
    _die_at(monkeypatch, tmp_path, times=3)
    assert backfill(csv) | {"seconds": 0} == once | {"seconds": 0}
    assert tables() == stored
    assert not list(tmp_path.glob("die-*"))


def _die_at(monkeypatch, tmp_path, times):
    """Workers die by SIGKILL while they work on the batch of row 1,500, `times` times: once for each of these files."""
    for number in range(times):
        (tmp_path / f"die-{number}").touch()
    store = backfill_worker.store

    def deadly(work):
        if work.batch.id == guilty and (left := sorted(tmp_path.glob("die-*"))):
            left[0].unlink()
            os.kill(os.getpid(), signal.SIGKILL)
        store(work)

    guilty = next(id_ for id_, index in batches_of_last_run if index == 1_600)
    monkeypatch.setattr(backfill_worker, "store", deadly)


batches_of_last_run: list = []


@pytest.fixture(autouse=True)
def remember_batches(monkeypatch):
    """Ids follow from the file, so those of one run are those of the next."""
    batches_of_last_run.clear()
    made = backfill_reading.Reading._batch

    def remembered(self, messages):
        batch = made(self, messages)
        batches_of_last_run.append((batch.id, batch.index))
        return batch

    monkeypatch.setattr(backfill_reading.Reading, "_batch", remembered)


def test_a_batch_that_kills_five_workers_becomes_a_dead_letter(csv, monkeypatch, tmp_path):
    backfill(csv)
    empty()
    _die_at(monkeypatch, tmp_path, times=9)
    said = backfill(csv)
    holds(said, {"messages": ROWS, "stored": ROWS - 100, "dead": 100})
    letter = DeadLetter.objects.get()
    assert (letter.kind, letter.context["messages"]) == ("ingest.batch", 100)
    assert len(list(tmp_path.glob("die-*"))) == 4
    holds(backfill(csv), {"already": ROWS, "dead": 100})


def test_workers_whose_connections_are_cut_go_on(csv):
    ended = threading.Event()
    cuts = []

    def cut():
        with connection.cursor() as cursor:
            while not ended.wait(0.1) and len(cuts) < 4:  # five would open the breaker for 30 s
                cursor.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()"
                    " AND datname = current_database() AND application_name = 'tracking'"
                )
                cuts.extend(cursor.fetchall())
        connection.close()

    cutting = threading.Thread(target=cut)
    cutting.start()
    try:
        holds(backfill(csv), ACCOUNT)
    finally:
        ended.set()
        cutting.join()
    assert VesselPosition.objects.count() == ROWS
    assert cuts


def test_more_days_than_a_run_may_have_is_a_clear_message(tmp_path, monkeypatch):
    monkeypatch.setattr(partitions, "DAYS_PER_RUN", 3)
    path = tmp_path / "long.csv"
    path.write_bytes(dump(900, seconds=5 * 86_400.0))
    with pytest.raises(CommandError, match="days need partitions, at most"):
        backfill(path)


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["/nowhere.csv"], "does not exist"),
        (["-"], "cannot be read twice"),
        (["tcp://127.0.0.1:1"], "name a file"),
        (["/bin/true"], "say it with --format"),
        (["{nmea}"], "--start 2026-01-01T00:00:00Z"),
        (["{nmea}", "--rate", "5"], "--rate goes with --start"),
        (["{nmea}", "--score", "0"], "--score must lie"),
        (["{nmea}", "{nmea}", "--start", "2026-01-01"], "give the files one by one"),
        (["{nmea}", "--processes", "500"], "--processes must lie"),
    ],
)
def test_wrong_input_is_a_clear_message(tmp_path, args, said):
    nmea = tmp_path / "log.nmea"
    nmea.write_bytes(position() + b"\n")
    arguments = [arg.format(nmea=nmea) for arg in args]
    processes = [] if "--processes" in args else ["--processes", "1"]
    with pytest.raises(CommandError, match=said):
        call_command("backfill", *arguments, *processes, stdout=io.StringIO(), stderr=io.StringIO())
    assert Batch.objects.count() == 0


def test_a_damaged_archive_is_stored_as_far_as_it_goes_and_named(tmp_path):
    path = tmp_path / "cut.csv.gz"
    path.write_bytes(gzip.compress(dump(2_000))[:20_000])
    with pytest.raises(CommandError, match="damaged or cut off"):
        backfill(path)
    assert 0 < VesselPosition.objects.count() < 2_000


def test_a_file_with_nothing_but_a_header_is_an_account_of_one_line(tmp_path):
    path = tmp_path / "empty.csv"
    path.write_text(HEADER + "\n")
    holds(backfill(path), {"lines": 1, "foreign": 1, "messages": 0, "whole": True})


@pytest.mark.data
@pytest.mark.parametrize(
    "name",
    [
        "ais_csv/dma_danish_20260426_part1.csv",
        "ais_csv/marinecadastre_20230111_part1.csv",
        "ais_csv/exactearth_20210701.csv",
        "nmea/aishub_nmea_sample_85k.nmea",
    ],
)
def test_a_recording_gives_what_ingest_gives(name, monkeypatch):
    monkeypatch.setattr(backfill_reading, "BATCH_MESSAGES", 1_000)
    path = str(recording(name))
    when = ["--start", "2026-01-01T00:00:00Z"] if name.endswith("nmea") else []
    out = io.StringIO()
    call_command("ingest", path, *when, "--inline", "--json", stdout=out, stderr=io.StringIO())
    wanted = json.loads(out.getvalue().splitlines()[-1])
    stored = _figures()
    empty()
    said = backfill(path, *when)
    same = [count for count in wanted if count not in ("batches", "seconds", "merged", "duplicate")]
    holds(said, {count: wanted[count] for count in same})
    assert said["merged"] + said["duplicate"] == wanted["merged"] + wanted["duplicate"]
    assert _figures() == stored


def _figures():
    """Rows but for values that the order of delivery decides where one receiver says two things of one moment."""
    return [
        sorted(
            VesselPosition.objects.values_list("vessel_id", "timestamp", "latitude", "longitude", "source", "score")
        ),
        set(Vessel.objects.values_list("mmsi", "name", "callsign", "imo", "ship_type", "to_stern", "draught")),
        set(Station.objects.values_list("mmsi", "kind", "name", "latitude", "longitude", "last_seen")),
    ]
