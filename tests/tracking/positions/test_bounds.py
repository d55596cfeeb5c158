"""What a validator lets pass PostgreSQL stores, what it refuses PostgreSQL refuses: asked of the constraints there."""

import math
import sys

import pytest
from django.db import connection, models
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ingest.errors import Rejected
from ingest.formats.common import aircraft
from ingest.formats.common.ranges import check_position
from tracking.models import AircraftPosition, Station, Vessel, VesselPosition
from tracking.positions import bounds
from tracking.positions.bounds import Bounds

pytestmark = pytest.mark.django_db

FIELDS: list[tuple[type[models.Model], str, Bounds]] = [
    *((VesselPosition, field, its) for field, (its, _) in bounds.VESSEL_POSITION.items()),
    *((AircraftPosition, field, its) for field, (its, _) in bounds.AIRCRAFT_POSITION.items()),
    (Vessel, "draught", bounds.DRAUGHT),
    (Station, "latitude", bounds.LATITUDE),
    (Station, "longitude", bounds.LONGITUDE),
]
NAMES = [f"{model.__name__}.{field}" for model, field, _ in FIELDS]


def is_stored(model: type[models.Model], field: str, value: float) -> bool:
    """What the constraint of the field says of a value, asked of the database itself."""
    kind = model._meta.get_field(field).db_type(connection)
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_get_expr(conbin, conrelid) FROM pg_constraint WHERE conrelid = %s::regclass AND conname = %s",
            [model._meta.db_table, f"{model._meta.model_name}_{field}"],
        )
        (condition,) = cursor.fetchone()
        cursor.execute(f"SELECT {condition} FROM (SELECT CAST(%s AS {kind}) AS {field}) AS row", [value])
        (holds,) = cursor.fetchone()
    return bool(holds)


def is_whole(model: type[models.Model], field: str) -> bool:
    return isinstance(model._meta.get_field(field), models.IntegerField)


@pytest.mark.parametrize(("model", "field", "its"), FIELDS, ids=NAMES)
def test_validator_and_constraint_agree_at_the_edges(model, field, its) -> None:
    edges = [its.low, its.high]
    if is_whole(model, field):
        values = [edge + step for edge in edges for step in (-1, 0, 1)]
    else:
        values = [math.nextafter(edge, way) for edge in edges for way in (-math.inf, math.inf)]
        values += [*edges, 0.0, -0.0, math.nan, math.inf, -math.inf, sys.float_info.max, sys.float_info.min, 5e-324]
    assert {value: its.holds(value) for value in values} == {value: is_stored(model, field, value) for value in values}


@pytest.mark.parametrize(("model", "field", "its"), FIELDS, ids=NAMES)
def test_validator_and_constraint_agree_on_any_number(model, field, its) -> None:
    numbers = st.integers(-(2**15), 2**15 - 1) if is_whole(model, field) else st.floats()
    near = st.floats(its.low - 1, its.high + 1) if not is_whole(model, field) else numbers

    @settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(numbers | near)
    def agree(value: float) -> None:
        assert its.holds(value) == is_stored(model, field, value)

    agree()


@pytest.mark.parametrize("model", [VesselPosition, AircraftPosition, Vessel, Station])
def test_every_range_of_the_database_comes_from_the_table(model) -> None:
    """Other constraints are of identities, whose form is their validators' own."""
    checks = {one.name for one in model._meta.constraints if isinstance(one, models.CheckConstraint)}
    known = {f"{owner._meta.model_name}_{field}" for owner, field, _ in FIELDS if owner is model}
    assert checks - known <= {"vessel_mmsi", "station_mmsi"}


@given(st.floats())
def test_what_decoders_make_of_a_number_can_be_stored(value: float) -> None:
    for make, its in (
        (aircraft.altitude, bounds.ALTITUDE),
        (aircraft.ground_speed, bounds.GROUND_SPEED),
        (aircraft.track, bounds.COURSE),
        (aircraft.vertical_rate, bounds.VERTICAL_RATE),
    ):
        made = make(value)
        assert made is None or its.holds(made)
    try:
        check_position(value, 10.0)
    except Rejected:
        assert not bounds.LATITUDE.holds(value)
    else:
        assert bounds.LATITUDE.holds(value)
