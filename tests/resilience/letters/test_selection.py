"""Filters, groups and exports of dead letters: one meaning everywhere, and no look at a whole table."""

import csv
import io
import json
from datetime import timedelta

import pytest
from django.db import connection, models
from django.utils import timezone

from resilience.letters import exports
from resilience.letters.groups import groups
from resilience.letters.selection import BadSelection, Selection, count_up_to, distinct
from resilience.models import DeadLetter
from tests.support.letters import age, make_letter

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("field", ["status", "reason", "source", "stage", "fingerprint", "batch_id"])
def test_each_field_narrows_to_its_value(field: str) -> None:
    wanted = make_letter(fingerprint="a")
    make_letter(status="resolved", reason="other", source="roof", stage="worker", fingerprint="b")
    selection = Selection.of({field: getattr(wanted, field)})
    assert list(selection.letters(timezone.now())) == [wanted]


@pytest.mark.parametrize(
    ("name", "hours"), [("hour", [0.5]), ("day", [0.5, 5]), ("week", [0.5, 5, 50]), ("older", [500])]
)
def test_age_counts_from_the_death_of_a_letter(name: str, hours: list[float]) -> None:
    letters = {hours: age(make_letter(), timedelta(hours=hours)) for hours in (0.5, 5, 50, 500)}
    found = set(Selection.of({"age": name}).letters(timezone.now()))
    assert found == {letters[number] for number in hours}


def test_a_frozen_selection_leaves_out_what_died_or_failed_again_since() -> None:
    seen, failed_again = make_letter(), make_letter()
    moment = timezone.now()
    make_letter()
    DeadLetter.objects.filter(pk=failed_again.pk).update(failed_at=timezone.now())
    assert list(Selection().letters(moment, frozen=True)) == [seen]


@pytest.mark.parametrize(
    ("params", "field"),
    [({"status": "odd"}, "status"), ({"age": "old"}, "age"), ({"q": "x"}, "q"), ({"reason": "\0"}, "filter")],
)
def test_a_filter_that_cannot_be_says_which(params: dict[str, str], field: str) -> None:
    with pytest.raises(BadSelection) as refused:
        Selection.of(params)
    assert refused.value.field == field


def test_a_count_stops_at_its_limit() -> None:
    for _ in range(4):
        make_letter()
    assert count_up_to(DeadLetter.objects.all(), 3) == (3, False)
    assert count_up_to(DeadLetter.objects.all(), 4) == (4, True)


def test_choices_are_the_distinct_values_in_order() -> None:
    for reason in ("b", "a", "c", "b"):
        make_letter(reason=reason)
    assert distinct("reason") == ["a", "b", "c"]
    assert distinct("reason", limit=2) == ["a", "b"]
    DeadLetter.objects.all().delete()
    assert distinct("reason") == []


def test_open_letters_are_grouped_by_fingerprint_the_largest_group_first() -> None:
    old = age(make_letter(fingerprint="b", message="first"), timedelta(days=3))
    new = make_letter(fingerprint="b", message="latest")
    make_letter(fingerprint="a")
    make_letter(fingerprint="c", status="expired")
    first, second = groups()
    assert (first.fingerprint, first.count, first.counted_all, first.message) == ("b", 2, True, "latest")
    assert (first.first_seen, first.last_seen) == (old.created_at, new.created_at)
    assert (second.fingerprint, second.count) == ("a", 1)
    DeadLetter.objects.all().delete()
    assert groups() == []


def test_groups_and_choices_of_many_letters_come_from_the_indexes() -> None:
    """9,000 letters of three faults: a few pages of the index, not the table."""
    _copy(make_letter(), 9_000)
    before = _scans()
    assert [group.count for group in groups()] == [3000, 3000, 3000]
    assert distinct("fingerprint") == ["0", "1", "2"]
    assert _scans() == before


def _copy(letter: DeadLetter, number: int) -> None:
    """In place of `letter`, so many like it, of three fingerprints."""
    own = {"id": "gen_random_uuid()", "ordinal": "number", "fingerprint": "number %% 3"}
    columns = [field.column for field in DeadLetter._meta.concrete_fields]
    values = [own.get(column, column) for column in columns]
    table = DeadLetter._meta.db_table
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO {table} ({', '.join(columns)}) SELECT {', '.join(values)} "
            f"FROM {table}, generate_series(1, %s) AS number",
            [number],
        )
        cursor.execute(f"DELETE FROM {table} WHERE id = %s", [letter.pk])
        cursor.execute(f"ANALYZE {table}")


def _scans() -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_stat_get_xact_numscans('resilience_deadletter'::regclass)")
        return int(cursor.fetchone()[0])


# --- exports ----------------------------------------------------------------------------------------------------------
def test_ndjson_holds_a_letter_a_line_and_no_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exports, "PAGE", 2)
    made = {str(make_letter(ordinal=number, traceback="secret path").pk) for number in range(5)}
    lines = list(exports.ndjson(DeadLetter.objects.all()))
    assert {json.loads(line)["id"] for line in lines} == made
    assert len(lines) == 5
    assert b"secret" not in b"".join(lines)


FORMULAS = ["=1+1", "+1", "-1", "@SUM(A1)", "\tx", "\rx", "\n=1+1", "\r\n=1+1", " =1+1", "\u00a0=1+1", "＝1+1", "＋1"]
FORMULAS += [
    "－1",
    "＠SUM(A1)",
    "﹢1",
    "−1",
    "\u3000＝1+1",
    "\ufeff=1+1",
    "\u200b=1+1",
    "\u202e=1+1",
    " \t\v\f=1",
    " " * 300,
]


def exported() -> list[dict[str, str]]:
    text = b"".join(exports.csv_lines(DeadLetter.objects.all())).decode()
    return list(csv.DictReader(io.StringIO(text, newline="")))


@pytest.mark.parametrize("text", FORMULAS)
def test_csv_never_holds_a_formula(text: str) -> None:
    make_letter(message=text, raw=b"\x1a\x00", edited=b"=cmd", ordinal=-1)
    rows = exported()
    assert rows[0]["message"] == f"'{text}"
    assert (rows[0]["raw"], rows[0]["raw_encoding"], rows[0]["edited"]) == ("1a00", "hex", "'=cmd")
    assert rows[0]["ordinal"] == "-1"  # a number stays one


def test_no_column_of_csv_holds_a_formula() -> None:
    fields = [field for field in DeadLetter._meta.get_fields() if field.name in exports.COLUMNS]
    texts = [field.name for field in fields if isinstance(field, models.CharField | models.TextField)]
    short = {name: "=1" for name in texts}
    make_letter(**short, raw=b"=1", edited=b"=1")
    assert {name for name, value in exported()[0].items() if value == "'=1"} == {*texts, "raw", "edited"}
    assert len(texts) >= 10


@pytest.mark.parametrize("text", ["", "0", "STAR", "a=b", "!AIVDM,1", "5-3", "'quoted", "Ärger", "船", "a\n=1"])
def test_csv_leaves_other_text_as_it_is(text: str) -> None:
    make_letter(message=text)
    assert exported()[0]["message"] == text


def test_an_export_of_nothing_is_an_empty_file_with_headings() -> None:
    assert list(exports.ndjson(DeadLetter.objects.none())) == []
    assert len(list(exports.csv_lines(DeadLetter.objects.none()))) == 1
