"""What every test of ingest needs: nothing remembered from the test before."""

import pytest

from ingest import persistence, pipeline


@pytest.fixture(autouse=True)
def nothing_known() -> None:
    """Vessels and partitions that another test made are gone from the database."""
    persistence.known_vessels.forget()
    persistence.known_aircraft.forget()
    pipeline.forget_partitions()
