"""`manage.py ingest` as people use it: figures, wrong input, signals."""

import io
import json
import os
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from ingest.models import Batch
from tests.support.messages import position, static
from tests.support.patience import PATIENCE_SECONDS
from tracking.models import Vessel, VesselPosition

pytestmark = [pytest.mark.django_db(transaction=True, databases=["default", "direct"])]

ROOT = Path(__file__).resolve().parents[3]
LOG = (
    b"\n".join([*(position(mmsi=211000000 + number) for number in range(30)), static(), b"$GPGGA,1*00", b"junk"])
    + b"\n"
)


@pytest.fixture
def log(tmp_path):
    path = tmp_path / "log.nmea"
    path.write_bytes(LOG)
    return str(path)


def ingest(*args):
    """The account that the command printed as its last line."""
    out = io.StringIO()
    call_command("ingest", *args, "--json", stdout=out, stderr=io.StringIO())
    return json.loads(out.getvalue().splitlines()[-1])


def timed(*args):
    return ingest(*args, "--start", "2026-01-01T00:00:00Z")


def test_a_recording_is_stored_and_accounted_for(log):
    said = timed(log, "--inline")
    assert said | {"seconds": 0} == {
        "batches": 1,
        "lines": 34,
        "foreign": 2,
        "malformed": {},
        "sentences": 32,
        "remarks": {},
        "messages": 31,
        "positions": 30,
        "static": 1,
        "stations": 0,
        "other": 0,
        "rejected": {},
        "stored": 30,
        "merged": 0,
        "duplicate": 0,
        "dead": 0,
        "discarded": 0,
        "waiting": 0,
        "seconds": 0,
    }
    assert (VesselPosition.objects.count(), Vessel.objects.get(name="NOORDZEE").mmsi) == (30, 244660123)


def test_the_same_recording_again_is_all_duplicates(log):
    timed(log, "--inline")
    again = timed(log, "--inline")
    assert (again["stored"], again["merged"], again["duplicate"]) == (0, 0, 30)


def test_resume_reads_only_what_is_new(log):
    timed(log, "--inline")
    with Path(log).open("ab") as more:
        more.write(position(mmsi=244000001) + b"\n")
    said = timed(log, "--inline", "--resume")
    assert (said["messages"], said["stored"]) == (1, 1)
    assert VesselPosition.objects.get(vessel_id=244000001).timestamp.microsecond == 310_000


def test_the_table_for_people_names_every_count(log):
    out = io.StringIO()
    call_command("ingest", log, "--inline", "--start", "2026-01-01T00:00:00Z", stdout=out, stderr=io.StringIO())
    words = out.getvalue().split()
    assert {"lines", "foreign", "messages", "positions", "stored", "per"} <= set(words)


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["/nowhere.nmea"], "does not exist"),
        (["gopher://host:1"], "unknown scheme 'gopher'"),
        (["tcp://127.0.0.1:1", "--once"], "cannot connect to tcp://127.0.0.1:1"),
        (["{log}"], "--start 2026-01-01T00:00:00Z"),
        (["{log}", "--start", "yesterday"], "--start must be a time"),
        (["{log}", "--rate", "5"], "--rate goes with --start"),
        (["{log}", "--start", "2026-01-01", "--rate", "0"], "--rate must be above 0"),
        (["{log}", "--limit", "0"], "--limit must be 1 or more"),
        (["{log}", "--score", "101"], "--score must lie"),
        (["tcp://127.0.0.1:1", "--resume"], "--resume is for files"),
        (["{log}", "--receiver", "52"], "--receiver must be latitude,longitude"),
        (["{log}", "--receiver", "91,4"], "--receiver must lie on the globe"),
        (["/bin/true"], "cannot tell the format of what begins with b'.*: say it with --format"),
    ],
)
def test_wrong_input_is_a_clear_message(log, args, said):
    with pytest.raises(CommandError, match=said.replace("(", r"\(")):
        ingest(*(arg.format(log=log) for arg in args), "--inline")
    assert Batch.objects.count() == 0


def test_an_empty_file_is_an_empty_account(tmp_path):
    path = tmp_path / "empty"
    path.touch()
    said = timed(str(path), "--inline")
    assert (said["lines"], said["messages"], said["stored"]) == (0, 0, 0)


def test_a_binary_file_is_counted_and_refused_line_by_line(tmp_path):
    path = tmp_path / "random"
    path.write_bytes(os.urandom(300_000))
    with pytest.raises(CommandError, match="nothing of it could be used"):
        timed(str(path), "--inline", "--format", "nmea")


def test_a_line_of_100_megabytes_is_one_refused_line(tmp_path):
    import resource

    path = tmp_path / "long"
    with path.open("wb") as long:
        for _ in range(100):
            long.write(b"x" * 1_000_000)
        long.write(b"\n" + position() + b"\n")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    said = timed(str(path), "--inline", "--format", "nmea")
    assert (said["lines"], said["malformed"], said["stored"]) == (2, {"line_too_long": 1}, 1)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 50_000  # kB


def test_limit_stops_early(log):
    assert timed(log, "--inline", "--limit", "5")["messages"] == 5


def test_a_file_may_be_read_as_live(log):
    said = ingest(log, "--inline", "--live")
    assert said["stored"] == 30


def test_a_network_source_is_taken_until_it_hangs_up():
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve():
            client, _ = server.accept()
            with client:
                client.sendall(LOG)

        serving = threading.Thread(target=serve)
        serving.start()
        said = ingest(f"tcp://127.0.0.1:{server.getsockname()[1]}", "--once", "--inline")
        serving.join()
    assert (said["lines"], said["stored"]) == (34, 30)


def manage(*args, **options):
    """`manage.py` in a process of its own, on the tests' database."""
    settings = connection.settings_dict
    url = f"postgres://{settings['USER']}@:{settings['PORT']}/{settings['HOST'].replace('/', '%2F')}/{settings['NAME']}"
    environment = os.environ | {"DJANGO_SETTINGS_MODULE": "tests.settings", "DATABASE_URL": url}
    command = [sys.executable, "manage.py", *args]
    return subprocess.Popen(command, cwd=ROOT, env=environment, text=True, **options)


def test_standard_input_is_a_recording():
    process = manage(
        "ingest",
        *("-", "--inline", "--json", "--start", "2026-01-01T00:00:00Z"),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    out, _ = process.communicate(LOG.decode(), timeout=PATIENCE_SECONDS)
    assert process.returncode == 0
    assert json.loads(out.splitlines()[-1])["stored"] == 30


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_flushes_and_ends_with_the_account(number):
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"tcp://127.0.0.1:{server.getsockname()[1]}"
        process = manage("ingest", url, "--inline", "--json", stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        server.settimeout(PATIENCE_SECONDS)
        client, _ = server.accept()
        with client:
            client.sendall(position() + b"\n" + position(mmsi=211000001)[:20])
            _until(lambda: VesselPosition.objects.exists() or process.poll() is not None)
            process.send_signal(number)
            out, _ = process.communicate(timeout=PATIENCE_SECONDS)
    assert process.returncode == 0
    said = json.loads(out.splitlines()[-1])
    assert (said["stored"], said["lines"]) == (1, 2)


def test_no_wait_tells_what_still_waits(log):
    assert timed(log, "--no-wait")["waiting"] == 31


def _until(condition):
    """Poll for as long as tests wait."""
    patience = threading.Event()
    for _ in range(int(PATIENCE_SECONDS / 0.1)):
        if condition():
            return
        patience.wait(0.1)
    raise AssertionError(f"it did not come about within {PATIENCE_SECONDS:g} s")
