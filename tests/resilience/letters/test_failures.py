"""What an error says of a dead letter: the same fault has one fingerprint, whatever the values."""

import psycopg
import pytest
from django.db import DatabaseError, connection

from resilience.letters.failures import TRACEBACK_CHARACTERS, failure_of, fingerprint, normalised


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("value 200 out of range", "value -3.5 out of range"),
        ('invalid input syntax for type json: "{a"', 'invalid input syntax for type json: "[]"'),
        ("no such message 'AB'", "no such message 'CD'"),
        ("target 4ca1b2 unknown", "target 4ca9f0 unknown"),
        ("batch 0b54f6a2-77aa-4e55-9d9a-0e6c3a2f1111", "batch 11111111-77aa-4e55-9d9a-0e6c3a2f2222"),
        ('relation "position_p20260301" is full', 'relation "position_p20260302" is full'),
        ("refused\nDETAIL:  Failing row contains (1, 2)", "refused\nDETAIL:  Failing row contains (x)"),
    ],
)
def test_messages_that_differ_in_values_have_one_fingerprint(one: str, other: str) -> None:
    assert one != other
    assert normalised(one) == normalised(other)
    assert fingerprint("store", "x", "22000", one) == fingerprint("store", "x", "22000", other)


def test_names_of_the_schema_stage_reason_and_code_tell_faults_apart() -> None:
    messages = ['violates check constraint "latitude"', 'violates check constraint "longitude"']
    prints = {
        fingerprint(stage, reason, code, message)
        for stage in ("store", "worker")
        for reason in ("a", "b")
        for code in ("", "23514")
        for message in messages
    }
    assert len(prints) == 16
    assert all(len(print_) == 16 for print_ in prints)


def test_the_fingerprint_of_a_fault_is_the_same_tomorrow() -> None:
    assert fingerprint("store", "check_violation", "23514", "value 5") == "782e470da10dcce3"


@pytest.mark.django_db
def test_what_postgresql_refused_is_named_by_its_class_and_code() -> None:
    with pytest.raises(DatabaseError) as caught, connection.cursor() as cursor:
        cursor.execute("SELECT 1 / 0")
    failure = failure_of(caught.value, "store")
    assert (failure.reason, failure.sqlstate, failure.message) == ("division_by_zero", "22012", "division by zero")
    assert "psycopg.errors.DivisionByZero" in failure.traceback
    assert isinstance(caught.value.__cause__, psycopg.Error)


def test_a_traceback_is_bounded_and_ends_with_the_error() -> None:
    error = ValueError("x\0" * 20_000 + "\ud800 the end")
    failure = failure_of(error, "store")
    assert len(failure.traceback) == TRACEBACK_CHARACTERS
    assert failure.traceback.endswith("? the end\n")
    assert "\0" not in failure.message + failure.traceback
    assert (failure.reason, len(failure.message)) == ("unexpected", 500)
