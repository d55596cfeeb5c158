"""The invariants see what they are for: each kind of loss and of double counting is found."""

from collections.abc import Callable

import pytest
from django.db import connection
from django.db.models import F

from ingest import pipeline
from ingest.models import Batch
from ingest.reports import MessageBatch
from resilience.models import DeadLetter
from tests.faults.invariants import Traffic, fate, mmsis
from tests.faults.schema import refused_ships
from tracking.models import VesselPosition

pytestmark = [
    pytest.mark.fault,
    pytest.mark.django_db(transaction=True, databases=["default", "direct"]),
    pytest.mark.usefixtures("breakers"),
]


@pytest.fixture
def accepted(traffic: Traffic) -> list[MessageBatch]:
    """Two batches of ten, one row refused in each."""
    batches = list(traffic.batches(2, size=10))
    with refused_ships(10):
        for parcel in batches:
            pipeline.process(parcel)
    return batches


def test_what_is_well_is_found_well(accepted: list[MessageBatch], traffic: Traffic) -> None:
    parcel = traffic.batch(5)
    result = fate([*accepted, parcel], [parcel.id, accepted[0].id]).check()
    assert (len(result.stored), len(result.dead), result.waiting) == (18, 2, set(mmsis(parcel)))


def store_twice() -> None:
    """The same report again, a second later."""
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO tracking_vesselposition"
            " (vessel_id, timestamp, latitude, longitude, received_at, source, score)"
            " SELECT vessel_id, timestamp - interval '1 s', latitude, longitude, received_at, source, score"
            " FROM tracking_vesselposition LIMIT 1"
        )


DAMAGE: dict[str, Callable[[], object]] = {
    "a row is lost": lambda: VesselPosition.objects.filter(vessel_id=VesselPosition.objects.first().vessel_id).delete(),
    "a letter is lost": lambda: DeadLetter.objects.filter(pk=DeadLetter.objects.first().pk).delete(),
    "a letter is closed and nothing stored": lambda: DeadLetter.objects.update(status="resolved"),
    "a message is stored twice": store_twice,
    "a batch is counted twice": lambda: Batch.objects.update(messages=F("messages") * 2),
    "a line of the ledger is lost": lambda: Batch.objects.filter(pk=Batch.objects.first().pk).delete(),
    "a row is counted as a duplicate": lambda: Batch.objects.update(stored=F("stored") - 1, duplicate=1),
}


@pytest.mark.parametrize("kind", DAMAGE)
def test_damage_is_seen(accepted: list[MessageBatch], kind: str) -> None:
    fate(accepted).settled()
    DAMAGE[kind]()
    with pytest.raises(AssertionError):
        fate(accepted).settled()


def test_what_was_never_accepted_is_seen(accepted: list[MessageBatch]) -> None:
    with pytest.raises((AssertionError, KeyError)):
        fate(accepted[:1]).settled()


def test_what_waits_is_not_settled(accepted: list[MessageBatch], traffic: Traffic) -> None:
    parcel = traffic.batch(5)
    with pytest.raises(AssertionError, match="5 messages still wait"):
        fate([*accepted, parcel], [parcel.id]).settled()
