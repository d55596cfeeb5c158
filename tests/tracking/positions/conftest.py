"""Both ways in which the upsert sends rows, for tests that must not tell them apart."""

from collections.abc import Iterator

import pytest

from tracking.models import AircraftPosition, VesselPosition
from tracking.positions import upsert


@pytest.fixture(scope="module", params=["upserted at once", "inserted first"])
def either_way(request: pytest.FixtureRequest) -> Iterator[None]:
    """Every statement of this process looks for conflicts at once, or inserts as if there were none."""
    with pytest.MonkeyPatch.context() as patch:
        first = request.param == "inserted first"
        patch.setattr(upsert, "FEW", 1 if first else 1_000_000)
        patch.setattr(upsert, "MOST_LATELY", 0)
        for model in (VesselPosition, AircraftPosition):
            patch.setattr(upsert.upsert_of(model), "_lately", 0)
        yield
