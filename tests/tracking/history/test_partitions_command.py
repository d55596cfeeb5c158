"""`manage.py partitions`: what it makes, drops, lists and refuses."""

import datetime as dt
import json
from collections.abc import Iterator
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection, transaction
from django.utils import timezone

from tests.support.reports import NOON, Report, drop_partitions, stored, upsert
from tracking.history import partitions

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "direct"])
VESSELS, AIRCRAFT = partitions.TABLES


@pytest.fixture(autouse=True)
def no_partitions(transactional_db: None) -> Iterator[None]:
    """Only the default partitions, before and after."""
    drop_partitions()
    yield
    drop_partitions()


def text(*arguments: str) -> str:
    output = StringIO()
    call_command("partitions", *arguments, stdout=output)
    return output.getvalue()


def answer(*arguments: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(text(*arguments, "--json"))
    return found


def test_without_options_it_only_lists() -> None:
    found = answer()
    assert (found["made"], found["dropped"]) == (0, 0)
    assert [(row["table"], row["name"], row["day"]) for row in found["partitions"]] == [
        (VESSELS, f"{VESSELS}_default", None),
        (AIRCRAFT, f"{AIRCRAFT}_default", None),
    ]


def test_make_makes_both_ends_and_again_nothing() -> None:
    found = answer("--make", "2026-04-30", "2026-05-02")
    assert found["made"] == 6
    days = [row["day"] for row in found["partitions"] if row["table"] == VESSELS]
    assert days == ["2026-04-30", "2026-05-01", "2026-05-02", None]
    assert answer("--make", "2026-04-30", "2026-05-02")["made"] == 0


def test_ahead_makes_yesterday_to_the_last_of_n_days() -> None:
    today = timezone.now().date()
    assert answer("--ahead", "2")["made"] == 8
    assert {today, today + dt.timedelta(days=1)} < partitions.existing(VESSELS)
    assert len(partitions.existing(VESSELS)) == 4


def test_drop_before_drops_partitions_and_rows_of_the_default() -> None:
    answer("--make", "2026-05-01", "2026-05-02")
    upsert(*(Report(timestamp=NOON + dt.timedelta(days=day)) for day in (-5, 0, 1)))
    found = answer("--drop-before", "2026-05-02", "--yes")
    assert (found["made"], found["dropped"], found["deleted_rows"], found["left"]) == (0, 2, 1, 0)
    assert [at.date().isoformat() for _, at in stored()] == ["2026-05-02"]


def test_nothing_is_dropped_without_a_yes(monkeypatch: pytest.MonkeyPatch) -> None:
    answer("--make", "2026-05-01", "2026-05-02")
    monkeypatch.setattr("sys.stdin.isatty", lambda: False)
    with pytest.raises(CommandError, match=r"2 partitions \(.*KB\) and 0 rows .* say --yes"):
        text("--drop-before", "2026-05-02")
    monkeypatch.setattr("sys.stdin.isatty", lambda: True)
    monkeypatch.setattr("builtins.input", lambda question: "no")
    with pytest.raises(CommandError, match="Nothing was changed"):
        text("--drop-before", "2026-05-02")
    assert len(partitions.existing(VESSELS)) == 2
    monkeypatch.setattr("builtins.input", lambda question: "yes")
    assert "0 made, 2 dropped" in text("--drop-before", "2026-05-02")
    assert len(partitions.existing(VESSELS)) == 1


def test_what_takes_nothing_asks_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin.isatty", lambda: False)
    assert answer("--drop-before", "2026-05-02")["dropped"] == 0


def test_a_dry_run_says_what_would_go_and_changes_nothing() -> None:
    answer("--make", "2026-05-01", "2026-05-02")
    upsert(*(Report(timestamp=NOON + dt.timedelta(days=day)) for day in (-5, 0, 1)))
    found = answer("--drop-before", "2026-05-02", "--make", "2026-05-02", "2026-05-03", "--dry-run")
    assert (found["made"], found["dropped"], found["deleted_rows"]) == (2, 2, 1)
    assert found["would_drop"] == [f"{VESSELS}_20260501", f"{AIRCRAFT}_20260501"]
    assert len(stored()) == 3 and len(partitions.existing(VESSELS)) == 2
    assert text("--drop-before", "2026-05-02", "--dry-run").endswith(
        "would be: 0 made, 2 dropped, 1 rows of the default partitions deleted\n"
    )


def test_retention_is_applied_by_the_settings_alone(settings: Any) -> None:
    today = timezone.now().date()
    days = [today - dt.timedelta(days=age) for age in range(5)]
    partitions.make(days)
    settings.KEEP_VESSEL_POSITIONS_DAYS, settings.KEEP_AIRCRAFT_POSITIONS_DAYS = 2, 0
    assert answer("--retention", "--dry-run")["dropped"] == 2
    assert answer("--retention", "--yes")["dropped"] == 2
    assert partitions.existing(VESSELS) == set(days[:3])
    assert partitions.existing(AIRCRAFT) == set(days)


def test_retention_of_nothing_names_the_settings() -> None:
    with pytest.raises(CommandError, match="KEEP_VESSEL_POSITIONS_DAYS or KEEP_AIRCRAFT_POSITIONS_DAYS"):
        text("--retention")


def test_partitions_in_use_are_left_and_said(monkeypatch: pytest.MonkeyPatch) -> None:
    answer("--make", "2026-05-01", "2026-05-01")
    monkeypatch.setattr(partitions, "DROP_LOCK_TIMEOUT", "20ms")
    monkeypatch.setattr(partitions, "DROP_PAUSES", (0.0, 0.01))
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(f"LOCK TABLE {VESSELS} IN ACCESS SHARE MODE")
        assert "1 partitions are in use" in text("--drop-before", "2026-05-02", "--yes")
    assert partitions.existing(VESSELS) == {dt.date(2026, 5, 1)} and partitions.existing(AIRCRAFT) == set()


def test_the_list_names_rows_and_size_of_each_partition() -> None:
    answer("--make", "2026-05-01", "2026-05-01")
    upsert(*(Report(vessel_id=number) for number in range(1, 41)))
    [fresh] = [row for row in answer()["partitions"] if row["name"] == f"{VESSELS}_20260501"]
    assert fresh["rows"] is None and fresh["bytes"] > 8192
    assert "not analysed" in next(line for line in text().splitlines() if line.startswith(f"{VESSELS}_20260501"))
    with connection.cursor() as cursor:
        cursor.execute(f"ANALYZE {VESSELS}_20260501")
    lines = {line.split()[0]: line for line in text().splitlines()}
    assert lines[f"{VESSELS}_20260501"].split()[1:3] == ["2026-05-01", "40"] and "KB" in lines[f"{VESSELS}_20260501"]
    assert text().endswith("0 made, 0 dropped\n")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--make", "2026-05-02", "2026-05-01"], "is before"),
        (["--make", "2026-05-02", "tomorrow"], "'tomorrow' is no day"),
        (["--make", "2024-01-01", "2026-01-01"], "fewer days"),
        (["--ahead", "-1"], "no number of days"),
        (["--ahead", "400"], "fewer days"),
        (["--drop-before", "2999-01-01"], "in the future"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_wrong_days_are_refused_and_nothing_is_done(arguments: list[str], message: str) -> None:
    with pytest.raises(CommandError, match=message):
        text(*arguments)
    assert partitions.existing(VESSELS) == set()


def test_a_table_that_somebody_keeps_is_an_error_that_names_the_way_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(partitions, "LOCK_TIMEOUT", "50ms")
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(f"LOCK TABLE {VESSELS} IN ROW EXCLUSIVE MODE")
        with pytest.raises(CommandError, match=r"lock timeout.* call it again"):
            text("--make", "2026-05-01", "2026-05-01")
