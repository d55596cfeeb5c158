"""What every test of ingest needs: nothing remembered from the test before."""

import pytest

from ingest import pipeline
from ingest.stages import store


@pytest.fixture(autouse=True)
def nothing_known() -> None:
    """Vessels and partitions that another test made are gone from the database."""
    store.known_vessels.forget()
    store.known_aircraft.forget()
    pipeline.forget_partitions()
