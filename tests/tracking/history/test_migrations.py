"""Migrations there and back, and what the tables made by hand promise: columns, keys and constraints of the models."""

import datetime as dt
import io
from collections.abc import Callable, Iterator

import pytest
from django.core.management import call_command
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder

from tests.support.reports import NOON, Report, upsert
from tracking.history import partitions
from tracking.models import AircraftPosition, Position, Vessel, VesselPosition

Migrate = Callable[[str | None], None]
# What a database of before has applied, by app.
BEFORE = {
    "tracking": "0001_identities 0002_positions 0004_api_keys 0005_search_indexes 0006_bounds_of_stored_values "
    "0007_tracks_and_verdicts 0008_archived_days 0009_age_of_verdicts 0010_receivers_of_positions 0011_static_changes "
    "0012_events 0013_roles 0014_registers_of_aircraft 0015_changes_of_events",
    "ingest": "0001_feeds_and_batches 0002_closed_days 0003_counts_of_batches_as_wide_as_those_of_days "
    "0004_formats_of_the_field 0005_samples_of_refused_messages 0006_more_formats_and_streams 0007_relays "
    "0008_scorecards_and_stand_ins 0009_tracks_of_gpx",
    "resilience": "0001_dead_letters 0002_jobs_groups_and_expiry_of_dead_letters 0003_parked_entries",
}
MODELS = pytest.mark.parametrize("model", [VesselPosition, AircraftPosition], ids=lambda model: model.__name__)


@pytest.fixture
def migrate(transactional_db: None) -> Iterator[Migrate]:
    """Migrates `tracking` to a named migration, None for zero, "latest" for all; afterwards everything is applied."""

    def to(target: str | None) -> None:
        executor = MigrationExecutor(connection)
        latest = executor.loader.graph.leaf_nodes()
        executor.migrate(latest if target == "latest" else [("tracking", target)])

    yield to
    call_command("migrate", verbosity=0, interactive=False)


def tables() -> set[str]:
    """Our tables, default partitions included; those of days stay from other tests."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT relname FROM pg_class WHERE relkind IN ('r', 'p') AND relname LIKE 'tracking%%'", [])
        return {name for (name,) in cursor.fetchall() if not name[-8:].isdigit()}


def schema() -> set[tuple[str, ...]]:
    """All columns, constraints and indexes of the database."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT attrelid::regclass::text, attname, attnum::text, format_type(atttypid, atttypmod), attnotnull::text"
            " FROM pg_attribute WHERE attrelid IN (SELECT oid FROM pg_class WHERE relkind IN ('r', 'p'))"
            " AND attnum > 0 UNION ALL"
            " SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid), '', '' FROM pg_constraint UNION ALL"
            " SELECT indexrelid::regclass::text, '', pg_get_indexdef(indexrelid), '', '' FROM pg_index"
        )
        return set(cursor.fetchall())


@pytest.mark.django_db
def test_the_models_need_no_further_migration() -> None:
    call_command("makemigrations", check=True, dry_run=True, verbosity=0)


@pytest.mark.django_db(transaction=True)
def test_an_empty_database_goes_to_zero_and_forward_again(migrate: Migrate) -> None:
    before = tables()
    migrate(None)
    assert tables() == set()
    migrate("latest")
    assert tables() == before >= {"tracking_vesselposition", "tracking_vesselposition_default"}
    assert upsert(Report()).created == 1


@pytest.mark.django_db(transaction=True, databases=["default", "direct"])
def test_a_filled_database_goes_to_zero_with_its_partitions_and_forward_again(migrate: Migrate) -> None:
    Vessel.objects.create(mmsi=1, kind="ship", first_seen=NOON, last_seen=NOON)
    partitions.make([NOON.date()])
    upsert(Report(), Report(timestamp=NOON + dt.timedelta(days=9)))
    migrate(None)
    assert tables() == set()
    migrate("latest")
    assert not VesselPosition.objects.exists() and not Vessel.objects.exists()
    assert upsert(Report()).created == 1


@pytest.mark.django_db
def test_a_database_of_the_migrations_of_before_has_nothing_to_do() -> None:
    before = schema()
    recorder = MigrationRecorder(connection)
    recorder.migration_qs.filter(app__in=BEFORE).delete()
    for app, names in BEFORE.items():
        for name in names.split():
            recorder.record_applied(app, name)
    said = io.StringIO()
    call_command("migrate", stdout=said, no_color=True)
    assert "No migrations to apply" in said.getvalue()
    assert set(MigrationLoader(None).replacements) <= set(recorder.applied_migrations())
    assert schema() == before


@pytest.mark.django_db
@MODELS
def test_columns_are_those_of_the_model(model: type[Position]) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT attname, format_type(atttypid, atttypmod), attnotnull, attidentity FROM pg_attribute"
            " WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped",
            [model._meta.db_table],
        )
        found = {name: (kind, not_null, identity) for name, kind, not_null, identity in cursor.fetchall()}
    expected = {
        field.column: (
            (field.db_type(connection) or "").replace("varchar", "character varying"),
            not field.null,
            "d" if field.primary_key else "",
        )
        for field in model._meta.concrete_fields
    }
    assert found == expected


@pytest.mark.django_db
@MODELS
def test_the_primary_key_is_identity_and_time(model: type[Position]) -> None:
    name = model._meta.model_name
    with connection.cursor() as cursor:
        found = connection.introspection.get_constraints(cursor, model._meta.db_table)
    keys = {key: about["columns"] for key, about in found.items() if about["primary_key"]}
    assert keys == {f"{name}_once": [f"{name.removesuffix('position')}_id", "timestamp"]}
    assert not any(about["foreign_key"] for about in found.values())
    assert found[f"{name}_id"]["columns"] == ["id"] and found[f"{name}_time"]["type"] == "brin"


@pytest.mark.django_db
@MODELS
def test_every_check_of_the_model_reaches_the_default_partition(model: type[Position]) -> None:
    table = model._meta.db_table
    with connection.cursor() as cursor:
        found = connection.introspection.get_constraints(cursor, f"{table}_default")
    checks = {name for name, about in found.items() if about["check"]}
    assert checks == {constraint.name for constraint in model._meta.constraints} - {f"{model._meta.model_name}_once"}
