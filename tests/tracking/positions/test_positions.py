"""The batch upsert of positions against PostgreSQL: counts, arguments, errors, writers side by side."""

import threading
from typing import Any

import msgspec
import pytest
from asgiref.sync import async_to_sync
from django.db import DataError, IntegrityError, ProgrammingError, transaction

from tests.support.patience import PATIENCE_SECONDS
from tests.support.reports import NOON, Report, counts, later, side_by_side, stored, upsert, version
from tracking.models import AircraftPosition, VesselPosition
from tracking.positions.upsert import Upserted

# --- counts -----------------------------------------------------------------------------------------------------------


@pytest.mark.django_db
def test_created_merged_and_unchanged_rows_are_counted_in_one_batch() -> None:
    upsert(Report(vessel_id=1), Report(vessel_id=2))
    result = upsert(Report(vessel_id=1), Report(vessel_id=2, speed=3.0), Report(vessel_id=3))
    assert counts(result) == (1, 1, 1)
    assert [row.vessel_id for row in result] == [1, 2, 3]


@pytest.mark.django_db
def test_an_empty_batch_is_no_row_and_no_error() -> None:
    assert counts(upsert()) == (0, 0, 0) and upsert() == []


@pytest.mark.django_db
def test_a_redelivered_batch_leaves_every_row_version_where_it_was() -> None:
    batch = [Report(vessel_id=n, speed=1.5 if n % 2 else None) for n in range(1, 50)]
    upsert(*batch)
    before = version()
    assert counts(upsert(*reversed(batch))) == (0, 0, 49)
    assert version() == before


@pytest.mark.django_db
def test_a_loser_without_news_writes_no_row_version() -> None:
    upsert(Report(score=60, speed=5.0))
    before = version()
    assert counts(upsert(Report(score=50, speed=9.0, latitude=53.9999))) == (0, 0, 1)
    assert version() == before


@pytest.mark.django_db
@pytest.mark.parametrize("batch_size", [1, 2, 3, 100])
def test_batch_size_changes_neither_rows_nor_counts(batch_size: int) -> None:
    upsert(Report(vessel_id=2), Report(vessel_id=4, speed=1.0))
    result = upsert(*(Report(vessel_id=n, speed=1.0) for n in range(1, 6)), batch_size=batch_size)
    assert counts(result) == (3, 1, 1) and len(stored()) == 5


@pytest.mark.django_db
def test_model_instances_and_structs_make_the_same_rows() -> None:
    fields = {"vessel_id": 7, "timestamp": NOON, "latitude": 1.0, "longitude": 2.0, "received_at": NOON}
    fields |= {"source": "a", "score": 9, "speed": 3.5, "heading": 90}
    assert counts(upsert(VesselPosition(**fields))) == (1, 0, 0)
    assert counts(upsert(Report(**fields))) == (0, 0, 1)


@pytest.mark.django_db
def test_aircraft_have_the_same_door() -> None:
    row = {"aircraft_id": "3c6444", "timestamp": NOON, "latitude": 50.0, "longitude": 8.0, "received_at": NOON}
    row |= {"source": "a", "score": 9}
    first = AircraftPosition(**row, on_ground=False)
    assert counts(AircraftPosition.objects.bulk_create([first], update_conflicts=True)) == (1, 0, 0)
    filling = AircraftPosition(**row | {"received_at": later(1)}, altitude=3000, on_ground=True)
    assert counts(AircraftPosition.objects.bulk_create([filling], update_conflicts=True)) == (0, 1, 0)
    assert AircraftPosition.objects.values_list("altitude", "on_ground").get() == (3000, False)


@pytest.mark.django_db
def test_ints_among_floats_are_floats() -> None:
    upsert(
        Report(vessel_id=1, latitude=54, speed=3), Report(vessel_id=2, latitude=54.5, speed=2.5), Report(vessel_id=3)
    )
    assert [row["speed"] for _, row in sorted(stored().items())] == [3.0, 2.5, None]


@pytest.mark.django_db
def test_abulk_create_counts_too() -> None:
    async def write() -> list[Any]:
        return await VesselPosition.objects.abulk_create([Report()], update_conflicts=True)

    result = async_to_sync(write)()
    assert isinstance(result, Upserted) and counts(result) == (1, 0, 0)


# --- arguments --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "argument",
    [{"ignore_conflicts": True}, {"update_fields": ["speed"]}, {"unique_fields": ["vessel"]}, {"batch_size": 0}],
    ids=lambda argument: next(iter(argument)),
)
def test_other_conflict_arguments_are_refused_before_the_database_is_asked(argument: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"conflict rule|positive"):
        VesselPosition.objects.bulk_create([Report()], update_conflicts=True, **argument)


@pytest.mark.django_db
def test_without_update_conflicts_it_is_djangos_own() -> None:
    fields = msgspec.structs.asdict(Report())
    [made] = VesselPosition.objects.bulk_create([VesselPosition(**fields)])
    assert VesselPosition.objects.get(pk=made.pk).score == 50
    VesselPosition.objects.bulk_create([VesselPosition(**fields)], ignore_conflicts=True)
    assert len(stored()) == 1
    with pytest.raises(IntegrityError), transaction.atomic():
        VesselPosition.objects.bulk_create([VesselPosition(**fields)])


# --- errors -----------------------------------------------------------------------------------------------------------

NAN, INFINITY = float("nan"), float("inf")


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("field", "value"),
    [
        *(("latitude", value) for value in (NAN, 90.1, None)),
        *(("longitude", value) for value in (NAN, -180.1)),
        *(("speed", value) for value in (NAN, INFINITY, -0.1)),
        *(("course", 360.0), ("heading", 360), ("status", 15), ("score", 101)),
    ],
)
def test_a_value_out_of_range_is_refused_with_its_whole_batch(field: str, value: Any) -> None:
    bad = msgspec.structs.replace(Report(vessel_id=2), **{field: value})
    with pytest.raises(IntegrityError), transaction.atomic():
        upsert(Report(vessel_id=1), bad, Report(vessel_id=3), batch_size=1)
    assert stored() == {}


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("change", "error"),
    [({"score": 40_000}, DataError), ({"source": "x" * 33}, DataError), ({"source": "a\0b"}, DataError)],
    ids=["smallint", "length", "NUL"],
)
def test_what_the_type_cannot_hold_is_djangos_data_error(change: dict[str, Any], error: type[Exception]) -> None:
    with pytest.raises(error), transaction.atomic():
        upsert(Report(), msgspec.structs.replace(Report(vessel_id=2), **change))
    assert stored() == {}


@pytest.mark.django_db
def test_a_key_twice_in_a_statement_is_a_programming_error_because_fold_was_forgotten() -> None:
    with pytest.raises(ProgrammingError, match="second time"), transaction.atomic():
        upsert(Report(), Report(score=60))


@pytest.mark.django_db(transaction=True)
def test_a_refused_batch_leaves_nothing_without_a_transaction_around_it() -> None:
    with pytest.raises(IntegrityError):
        upsert(Report(vessel_id=1), Report(vessel_id=2, latitude=91.0), batch_size=1)
    assert stored() == {}


@pytest.mark.django_db(transaction=True)
def test_the_batch_goes_with_the_transaction_around_it() -> None:
    with transaction.atomic():
        upsert(Report(vessel_id=1))
        with pytest.raises(IntegrityError), transaction.atomic():
            upsert(Report(vessel_id=2), Report(vessel_id=3, latitude=91.0))
        upsert(Report(vessel_id=4))
    with transaction.atomic():
        upsert(Report(vessel_id=5))
        transaction.set_rollback(True)
    assert [vessel for vessel, _ in sorted(stored())] == [1, 4]


# --- writers side by side ---------------------------------------------------------------------------------------------

ROUNDS = 6


@pytest.mark.django_db(transaction=True)
def test_two_writers_of_the_same_keys_in_opposite_order_never_deadlock() -> None:
    together = threading.Barrier(2, timeout=PATIENCE_SECONDS)

    def write(source: str, order: int) -> None:
        for score in range(ROUNDS):
            rows = [Report(vessel_id=n, source=source, score=score) for n in range(1, 401)]
            together.wait()
            upsert(*rows[::order])

    side_by_side(lambda: write("north", 1), lambda: write("south", -1))
    assert {(row["source"], row["score"]) for row in stored().values()} == {("south", ROUNDS - 1)}
    assert len(stored()) == 400
