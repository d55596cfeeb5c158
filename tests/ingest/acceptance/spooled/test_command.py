"""`manage.py ingest` while the queue or the database is away: what it tells, drains and waits for."""

import io
import json
import signal
import threading

import pytest
from django.core.management import CommandError, call_command
from django.db.models import Q

from ingest.acceptance import queue as acceptance
from ingest.ledger.accounts import account
from tests.support.messages import position
from tests.support.patience import PATIENCE_SECONDS
from tests.support.spooling import NOWHERE, length, manage, parcels, start_queue, started, stop_queue, until, work

pytestmark = [
    pytest.mark.django_db(transaction=True, databases=["default", "direct"]),
    pytest.mark.fault,
]


fault = pytest.mark.fault


def heard(child, text):
    """Read what it writes to standard error until it says `text`; it is killed if it takes too long."""
    clock = threading.Timer(PATIENCE_SECONDS, child.kill)
    clock.start()
    try:
        assert any(text in line for line in child.stderr), f"it never said {text!r}"
    finally:
        clock.cancel()


# --- the command ------------------------------------------------------------------------------------------------------
def recording(tmp_path):
    path = tmp_path / "short.nmea"
    path.write_bytes(b"\n".join(position(mmsi=211000000 + number) for number in range(30)) + b"\n")
    return "manage.py", "ingest", str(path), "--start", "2026-01-01T00:00:00Z"


def test_without_waiting_the_command_tells_what_waits_on_disk(queue, spool, tmp_path, children):
    child = manage(*recording(tmp_path), "--no-wait", "--json", QUEUE_REDIS_URL=NOWHERE)
    children.append(child)
    out, errors = child.communicate(timeout=PATIENCE_SECONDS)
    assert (child.returncode, json.loads(out)["waiting"]) == (0, 30)
    assert f"1 batches wait on disk in {spool.directory}" in errors
    assert "Traceback" not in errors


@fault
def test_the_command_drains_while_it_waits_for_the_booking(queue, spool, tmp_path):
    out = io.StringIO()
    stop_queue()
    running = started(lambda: call_command(*recording(tmp_path)[1:], stdout=out, stderr=io.StringIO()))
    until(lambda: spool.depth().entries == 1, "it is spooled")
    start_queue()
    until(lambda: length("replay") == 1, "it is on the queue")
    assert running.is_alive()
    work("replay")
    running.join(PATIENCE_SECONDS)
    assert not running.is_alive()
    assert "per second" in out.getvalue()
    assert account(Q()).messages == 30


@pytest.mark.parametrize("how", ["--no-wait", "SIGINT"])
def test_a_database_that_is_away_is_no_traceback_and_no_success(queue, tmp_path, children, how):
    more = [how] if how == "--no-wait" else []
    child = manage(*recording(tmp_path), *more, DATABASE_URL="postgres://nobody@127.0.0.1:1/nothing")
    children.append(child)
    if how == "SIGINT":
        heard(child, "the database is away, waiting for it")
        child.send_signal(signal.SIGINT)
    _, errors = child.communicate(timeout=PATIENCE_SECONDS)
    assert child.returncode == 1
    assert "30 messages were accepted and are safe; the database is away" in errors
    assert "waiting for it" not in errors  # said once, if at all
    assert "Traceback" not in errors
    assert work("replay") == 1


def test_resuming_waits_for_a_ledger_that_is_away(queue, tmp_path, children):
    child = manage(*recording(tmp_path), "--resume", DATABASE_URL="postgres://nobody@127.0.0.1:1/nothing")
    children.append(child)
    heard(child, "the ledger does not tell where to go on, waiting")
    child.send_signal(signal.SIGINT)
    _, errors = child.communicate(timeout=PATIENCE_SECONDS)
    assert child.returncode == 1
    assert "nothing was read" in errors
    assert "Traceback" not in errors
    assert length("replay") == 0


def test_the_command_drains_what_others_left(queue, spool, tmp_path):
    accepted = parcels(2, recorded=False)
    spool.append("live", acceptance._packages(accepted, "live"), {})
    call_command("ingest", *recording(tmp_path)[2:], "--no-wait", stdout=io.StringIO(), stderr=io.StringIO())
    until(lambda: length("live") == 2, "the others' are on the queue")
    with pytest.raises(CommandError, match="does not exist"):
        call_command("ingest", "/nowhere", stdout=io.StringIO())
