"""Day partitions: made, filled from the default, found by the planner, dropped; also with writers at work."""

import datetime as dt
import threading
import time
from collections.abc import Iterator

import pytest
from django.db import OperationalError, connection, transaction
from django.db.models import Count, Max

from tests.support.patience import PATIENCE_SECONDS
from tests.support.reports import NOON, Report, drop_partitions, side_by_side, upsert
from tracking import tasks
from tracking.history import partitions
from tracking.models import AircraftPosition, Vessel, VesselPosition

DAY = NOON.date()
TABLE = VesselPosition._meta.db_table
both = pytest.mark.django_db(transaction=True, databases=["default", "direct"])


@pytest.fixture(autouse=True)
def no_partitions(request: pytest.FixtureRequest) -> Iterator[None]:
    """Only the default partitions, before and after."""
    request.getfixturevalue("transactional_db")
    drop_partitions()
    yield
    drop_partitions()


def days(*offsets: int) -> list[dt.date]:
    return [DAY + dt.timedelta(days=offset) for offset in offsets]


def at(offset: float) -> dt.datetime:
    return NOON + dt.timedelta(days=offset)


def rows_by_table() -> dict[str, int]:
    """Number of vessel positions by the day of their partition, "default" for the default's."""
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT tableoid::regclass::text, count(*) FROM {TABLE} GROUP BY 1")
        return {name.rpartition("_")[2]: count for name, count in cursor.fetchall()}


def wait_for_locks(waiting: int) -> None:
    """Until so many backends wait for a lock of a table."""
    end = time.monotonic() + PATIENCE_SECONDS
    with connection.cursor() as cursor:
        while time.monotonic() < end:
            cursor.execute("SELECT count(DISTINCT pid) FROM pg_locks WHERE NOT granted AND locktype = 'relation'")
            if cursor.fetchone()[0] >= waiting:
                return
            threading.Event().wait(0.01)
    pytest.fail(f"no {waiting} backends waited for a lock")


@both
def test_a_day_is_made_once_in_both_tables() -> None:
    assert partitions.make(days(0, 1, 0)) == 4
    assert partitions.make(days(0, 1)) == 0
    for table in partitions.TABLES:
        assert partitions.existing(table) == set(days(0, 1))


@both
def test_house_keeping_makes_yesterday_today_and_a_week_ahead() -> None:
    assert partitions.make_ahead(DAY) == 2 * 9
    assert partitions.existing(TABLE) == set(days(*range(-1, 8)))
    assert partitions.make_ahead(DAY) == 0
    assert partitions.make_ahead(DAY + dt.timedelta(days=1)) == 2


@both
def test_the_task_keeps_house_for_today_and_again_without_effect() -> None:
    tasks.keep_house()
    today = dt.datetime.now(dt.UTC).date()
    assert today in partitions.existing(TABLE) and len(partitions.existing(TABLE)) >= 9
    before = partitions.existing(TABLE)
    tasks.keep_house()
    assert partitions.existing(TABLE) == before


@both
def test_more_days_than_a_run_may_make_are_refused_before_one_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    assert partitions.DAYS_PER_RUN == 400
    with pytest.raises(partitions.TooManyDays, match="401 days"):
        partitions.make(days(*range(401)))
    assert partitions.existing(TABLE) == set()
    monkeypatch.setattr(partitions, "DAYS_PER_RUN", 2)
    assert partitions.make(days(0, 1)) == 4


@both
def test_rows_of_the_default_partition_move_into_the_days_they_belong_to() -> None:
    edges = [at(-0.5), at(0), at(0.5) - dt.timedelta(milliseconds=1), at(0.5), at(1)]
    upsert(*(Report(timestamp=edge) for edge in edges))
    ids = set(VesselPosition.objects.values_list("id", "timestamp"))
    assert rows_by_table() == {"default": 5}
    partitions.make(days(0))
    assert rows_by_table() == {"20260501": 3, "default": 2}
    assert set(VesselPosition.objects.values_list("id", "timestamp")) == ids


@both
def test_positions_land_in_the_partition_of_their_day_and_merge_there() -> None:
    partitions.make(days(0, 1))
    rows = [Report(timestamp=at(offset)) for offset in (0, 0.4, 1, 2)]
    assert upsert(*rows).created == 4
    assert rows_by_table() == {"20260501": 2, "20260502": 1, "default": 1}
    assert upsert(*rows).unchanged == 4
    assert upsert(Report(timestamp=at(1), speed=3.0)).merged == 1


@both
def test_constraints_keys_and_indexes_reach_a_new_partition() -> None:
    partitions.make(days(0))
    with connection.cursor() as cursor:
        found = connection.introspection.get_constraints(cursor, f"{TABLE}_20260501")
        parent = connection.introspection.get_constraints(cursor, TABLE)
    checks = {name for name, about in parent.items() if about["check"]}
    assert checks and checks <= found.keys()
    keys = [about["columns"] for about in found.values() if about["primary_key"]]
    assert keys == [["vessel_id", "timestamp"]]
    assert {"brin", "idx"} == {about["type"] for about in found.values() if about["index"] and about["type"]}


@both
def test_a_track_of_a_day_touches_the_partition_of_that_day_only() -> None:
    partitions.make(days(*range(5)))
    plan = VesselPosition.objects.filter(vessel_id=1, timestamp__gte=at(2), timestamp__lt=at(2.4)).explain()
    assert f"{TABLE}_20260503" in plan
    assert plan.count(f"on {TABLE}_") == 1


@both
def test_positions_can_be_counted_beside_other_columns() -> None:
    """Django's GROUP BY shortcut would give 42803 here: the primary key in the database is not `id`."""
    Vessel.objects.create(mmsi=211000001, kind="ship", first_seen=NOON, last_seen=NOON)
    partitions.make(days(0))
    upsert(*(Report(timestamp=at(offset)) for offset in (0, 0.1, 1)))
    counted = VesselPosition.objects.annotate(n=Count("vessel__positions")).order_by("timestamp")
    assert [row.n for row in counted.select_related("vessel")] == [3, 3, 3]
    assert Vessel.objects.annotate(n=Count("positions"), last=Max("positions__timestamp")).get().n == 3
    assert AircraftPosition.objects.annotate(n=Count("id")).count() == 0


# --- retention --------------------------------------------------------------------------------------------------------


@both
def test_retention_drops_older_days_and_empties_the_default_of_them() -> None:
    partitions.make(days(0, 1, 2))
    upsert(*(Report(timestamp=at(offset)) for offset in (-9, 0, 1, 2, 9)))
    assert partitions.drop_before(TABLE, days(2)[0]) == (2, 1, 0)
    assert partitions.existing(TABLE) == set(days(2))
    assert rows_by_table() == {"20260503": 1, "default": 1}
    assert partitions.existing(partitions.TABLES[1]) == set(days(0, 1, 2)), "the other table is left alone"
    assert partitions.drop_before(TABLE, days(2)[0]) == (0, 0, 0)


# --- side by side -----------------------------------------------------------------------------------------------------


@both
def test_two_makers_of_the_same_days_share_the_work() -> None:
    together, made = threading.Barrier(2, timeout=PATIENCE_SECONDS), []

    def make(order: int) -> None:
        together.wait()
        made.append(partitions.make(days(*range(8))[::order]))

    side_by_side(lambda: make(1), lambda: make(-1))
    assert sum(made) == 16 and partitions.existing(TABLE) == set(days(*range(8)))


@both
def test_writers_at_work_lose_no_row_while_their_days_are_made() -> None:
    """They write into days that have no partition yet, whose rows are moved under them."""
    together = threading.Barrier(3, timeout=PATIENCE_SECONDS)

    def write(vessel: int) -> None:
        together.wait()
        for minute in range(60):
            upsert(*(Report(vessel_id=vessel, timestamp=at(day + minute / 1440)) for day in range(6)))

    def make() -> None:
        together.wait()
        for day in days(*range(6)):
            partitions.make([day])

    side_by_side(lambda: write(1), lambda: write(2), make)
    assert rows_by_table() == {f"{day:%Y%m%d}": 120 for day in days(*range(6))}


@both
def test_a_writer_that_comes_while_its_day_is_made_is_not_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """The maker waits for a reader of the default partition, the writer for the maker: then the row has a new place."""
    monkeypatch.setattr(partitions, "LOCK_TIMEOUT", "60s")  # the maker gives up for no slow test
    made = threading.Event()

    def make() -> None:
        partitions.make(days(0))
        made.set()

    def read() -> None:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(f"LOCK TABLE {TABLE}_default IN ACCESS SHARE MODE")
            reading.set()
            release.wait(PATIENCE_SECONDS)

    def write() -> None:
        wait_for_locks(1)
        upsert(Report())

    def let_go() -> None:
        reading.wait(PATIENCE_SECONDS)
        wait_for_locks(2)
        release.set()

    reading, release = threading.Event(), threading.Event()
    side_by_side(
        read,
        lambda: reading.wait(PATIENCE_SECONDS) and make(),
        lambda: reading.wait(PATIENCE_SECONDS) and write(),
        let_go,
    )
    assert made.is_set() and rows_by_table() == {"20260501": 1}


@both
def test_a_maker_gives_up_on_a_table_that_somebody_keeps_and_leaves_no_trace(monkeypatch: pytest.MonkeyPatch) -> None:
    upsert(Report())
    monkeypatch.setattr(partitions, "LOCK_TIMEOUT", "50ms")
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(f"LOCK TABLE {TABLE} IN ROW EXCLUSIVE MODE")
        with pytest.raises(OperationalError, match="lock timeout"):
            partitions.make(days(0))
    assert partitions.existing(TABLE) == set() and rows_by_table() == {"default": 1}
    assert partitions.make(days(0)) == 2
