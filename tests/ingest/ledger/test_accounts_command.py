"""`manage.py accounts`: sums per feed and day, and an exit code that can be trusted."""

import datetime as dt
import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone
from redis import Redis

from ingest.acceptance.queue import enqueue
from ingest.ledger import closed_days
from ingest.management.commands import accounts as command
from tests.ingest.ledger.test_accounts import WHOLE, book
from tests.support.messages import batch, position
from tests.support.patience import PATIENCE_SECONDS

pytestmark = pytest.mark.django_db
PROJECT = Path(__file__).resolve().parents[3]


def accounts(*args):
    out = io.StringIO()
    call_command("accounts", *args, stdout=out)
    return out.getvalue()


def feeds(*args):
    return json.loads(accounts("--json", *args))["feeds"]


def days_ago(days, **counts):
    return book(**WHOLE | {"dead": 0, "stored": 3, "booked_at": timezone.now() - dt.timedelta(days=days)} | counts)


def day(days):
    return (timezone.now() - dt.timedelta(days=days)).date().isoformat()


def test_each_feed_has_its_sums():
    book(**WHOLE)
    book(**WHOLE | {"source": "other"})
    book(**WHOLE)
    said = feeds()
    assert (said["test"]["batches"], said["test"]["messages"], said["other"]["messages"]) == (2, 16, 8)
    [line] = [line for line in accounts().splitlines() if line.startswith("test")]
    assert line.split() == ["test", "2", "24", "16", "10", "4", "2", "2", "2", "0", "2", "4"]


def test_a_feed_and_a_day_can_be_chosen():
    book(**WHOLE)
    assert feeds("--source", "test", "--day", day(0))["test"]["lines"] == 12
    assert feeds("--day", "2020-01-01") == {}


def test_days_can_be_shown_and_bounded_also_those_that_were_rolled_up():
    for age in (0, 3, 9, 9, 20):
        days_ago(age)
    before = feeds("--by-day")["test"]
    assert list(before) == [day(20), day(9), day(3), day(0)]
    assert before[day(9)]["lines"] == 24
    closed_days.close(timezone.now().date())
    assert feeds("--by-day")["test"] == before
    assert list(feeds("--by-day", "--since", day(9))["test"]) == [day(9), day(3), day(0)]
    assert list(feeds("--by-day", "--until", day(9))["test"]) == [day(20), day(9)]
    assert list(feeds("--by-day", "--since", day(9), "--until", day(3))["test"]) == [day(9), day(3)]
    assert f"test  {day(9)}" in accounts("--by-day")


def test_accounts_that_do_not_add_up_fail_and_name_feed_day_and_equation():
    book(**WHOLE | {"foreign": 3})
    with pytest.raises(CommandError, match=f"test on {day(0)}: lines = foreign"):
        accounts()


def test_errors_that_cancel_out_over_two_days_are_found_also_when_rolled_up():
    days_ago(9, foreign=3)
    days_ago(10, foreign=1)
    closed_days.close(timezone.now().date())
    with pytest.raises(CommandError, match=f"test on {day(10)}: lines.*\ntest on {day(9)}: lines"):
        accounts()
    out = io.StringIO()
    with pytest.raises(CommandError):
        call_command("accounts", "--json", stdout=out)
    assert len(json.loads(out.getvalue())["violations"]) == 2


def test_what_waits_is_said(live_queue):
    enqueue(batch([position()]))
    enqueue(batch([position()], recorded=False, live=True))
    assert json.loads(accounts("--json"))["waiting"] == {"queue": 2, "spool": 0}
    assert "not booked yet: 2 batches in the queue, 0 in the spool of this host" in accounts()


@pytest.fixture
def live_queue():
    """The queue, empty before and after."""
    command.get_broker().delete_queue()
    yield
    command.get_broker().delete_queue()


def test_without_the_queue_the_accounts_are_shown_all_the_same(monkeypatch):
    book(**WHOLE)
    away = command.get_broker()
    monkeypatch.setattr(away, "streams", type(away.streams)(Redis(port=1, socket_timeout=1), "away"))
    monkeypatch.setattr(command, "get_broker", lambda: away)
    assert "an unknown number of batches in the queue" in accounts()
    assert json.loads(accounts("--json"))["waiting"]["queue"] is None


def test_without_postgresql_it_says_so_and_shows_no_traceback():
    away = "postgres://nobody@127.0.0.1:1/nowhere"
    environment = os.environ | {"DJANGO_SETTINGS_MODULE": "tests.settings", "DATABASE_URL": away}
    done = subprocess.run(
        [sys.executable, "manage.py", "accounts"],
        cwd=PROJECT, env=environment, capture_output=True, text=True, timeout=PATIENCE_SECONDS, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert "PostgreSQL does not answer, so the ledger cannot be read" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["--source", "nobody"], "no batch of 'nobody'"),
        (["--day", "today"], "must be a date"),
        (["--day", "2026-13-01"], "--day"),
        (["--since", "x"], "--since must be a date"),
        (["--until", "2026-02-30"], "--until"),
        (["--since", "2026-02-02", "--until", "2026-02-01"], "is before"),
        (["--day", "2026-02-02", "--until", "2026-02-01"], "goes without"),
    ],
)
def test_wrong_words_are_answered_clearly(args, said):
    with pytest.raises(CommandError, match=said):
        accounts(*args)
