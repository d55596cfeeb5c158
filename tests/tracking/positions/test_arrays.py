"""Binary arrays arrive as the values that were sent, and what does not fit is refused as PostgreSQL refuses it."""

import datetime as dt
import math
from typing import Any

import pytest
from django.db import DataError
from hypothesis import given
from hypothesis import strategies as st

from resilience.database.sqlstate import Verdict, classify
from tracking.postgresql import arrays

pytestmark = pytest.mark.django_db

VALUES = {
    "bigint": st.integers(-(2**63), 2**63 - 1),
    "integer": st.integers(-(2**31), 2**31 - 1),
    "smallint": st.integers(-(2**15), 2**15 - 1),
    "float8": st.floats(),
    "boolean": st.booleans(),
    "timestamptz": st.datetimes(timezones=st.just(dt.UTC)).filter(lambda at: 1900 < at.year < 2100),
    "text": st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])),
}


def _returned(name: str, values: list[Any]) -> list[Any]:
    row = arrays.execute("default", f"SELECT %b::{name}[]", [values])
    assert row is not None
    return list(row[0])


def _same(sent: Any, got: Any) -> bool:
    return sent == got or (isinstance(sent, float) and math.isnan(sent) and math.isnan(got))


@pytest.mark.parametrize("name", VALUES)
def test_values_and_nulls_come_back_as_they_were_sent(name: str) -> None:
    @given(st.lists(VALUES[name] | st.none(), min_size=1))
    def check(values: list[Any]) -> None:
        assert isinstance(arrays.pack(values, name), arrays.Packed)
        got = _returned(name, values)
        assert len(got) == len(values)
        assert all(map(_same, values, got))

    check()


def test_numbers_of_another_kind_are_taken_where_they_fit() -> None:
    assert _returned("float8", [1, 2.5]) == [1.0, 2.5]
    assert _returned("timestamptz", [dt.datetime(2026, 1, 1, 1, tzinfo=dt.timezone(dt.timedelta(hours=1)))]) == [
        dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
    ]


@pytest.mark.parametrize(("name", "values"), [("smallint", [1, 40_000]), ("integer", [2**31]), ("text", ["a\0b"])])
def test_what_does_not_fit_is_refused_as_data(name: str, values: list[Any]) -> None:
    with pytest.raises(DataError) as refusal:
        _returned(name, values)
    assert classify(refusal.value) is Verdict.POISON


def test_a_lone_surrogate_is_refused_as_data() -> None:
    with pytest.raises(UnicodeEncodeError) as refusal:
        _returned("text", ["\ud800"])
    assert classify(refusal.value) is Verdict.POISON


def test_what_is_no_boolean_is_not_taken_for_one() -> None:
    assert arrays.pack(["yes"], "boolean") == ["yes"]


def test_the_memory_of_elements_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(arrays, "_MEMORY", 10)
    values = [None, *(f"label {number}" for number in range(100))]
    assert _returned("text", values) == values
    assert len(arrays._memories["text"]) <= 10
