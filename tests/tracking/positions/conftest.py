"""Both ways in which the upsert sends rows, for tests that must not tell them apart."""

from collections.abc import Iterator

import pytest

from tracking.positions import upsert


@pytest.fixture(scope="module", params=["upserted at once", "inserted first"])
def either_way(request: pytest.FixtureRequest) -> Iterator[None]:
    """Every statement of this process looks for conflicts at once, or inserts as if there were none."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(upsert, "LATELY", 0 if request.param == "inserted first" else 1_000_000)
        patch.setattr(upsert, "FEW", 1)
        yield
