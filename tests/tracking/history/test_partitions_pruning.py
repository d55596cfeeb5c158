"""Which partitions the API's questions open, read from PostgreSQL's own plans, with thirty days of partitions."""

import datetime as dt
import re
from collections.abc import Iterator

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from tests.support.reports import NOON, Report, drop_partitions, upsert
from tracking.history import partitions
from tracking.models import Vessel, VesselPosition

pytestmark = [
    pytest.mark.django_db(transaction=True, databases=["default", "direct"]),
    pytest.mark.usefixtures("live_redis"),
]
TABLE = VesselPosition._meta.db_table
MMSI = 211000001
DAYS = [NOON.date() + dt.timedelta(days=offset) for offset in range(-29, 1)]


@pytest.fixture(autouse=True)
def month(transactional_db: None) -> Iterator[None]:
    """Thirty days, a position of one ship at each noon; its latest report is the last day's."""
    drop_partitions()
    partitions.make(DAYS)
    first = NOON - dt.timedelta(days=29)
    Vessel.objects.create(mmsi=MMSI, kind="ship", first_seen=first, last_seen=NOON)
    upsert(*(Report(vessel_id=MMSI, timestamp=NOON - dt.timedelta(days=age)) for age in range(30)))
    yield
    drop_partitions()


def opened(client: Client, path: str) -> list[set[str]]:
    """The partitions ("20260501", "default") in the plan of each question about positions that the page asks."""
    with CaptureQueriesContext(
        connection,
    ) as captured:
        assert client.get(path).status_code == 200
    asked = [query["sql"] for query in captured if f'FROM "{TABLE}"' in query["sql"]]
    return [_partitions(sql) for sql in asked]


def _partitions(sql: str) -> set[str]:
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN {sql}")
        plan = "\n".join(line for (line,) in cursor.fetchall())
    return set(re.findall(rf"on {TABLE}_(\d{{8}}|default)\b", plan))


def test_a_track_opens_the_partitions_of_its_days_only(admin_client: Client) -> None:
    [found] = opened(admin_client, f"/api/vessels/{MMSI}/track/?from=2026-04-10T06:00:00Z&to=2026-04-10T18:00:00Z")
    assert found == {"20260410"}
    [found] = opened(admin_client, f"/api/vessels/{MMSI}/track/?from=2026-04-10T06:00:00Z&to=2026-04-12T18:00:00Z")
    assert found == {"20260410", "20260411", "20260412"}


def test_the_track_of_the_last_day_opens_two(admin_client: Client) -> None:
    [found] = opened(admin_client, f"/api/vessels/{MMSI}/track/")
    assert found == {"20260430", "20260501"}


def test_the_page_of_a_ship_with_a_recent_position_asks_once_and_opens_no_older_day(admin_client: Client) -> None:
    """There is no upper bound, so days that were made ahead and the default are opened too: they are empty or small."""
    [found] = opened(admin_client, f"/api/vessels/{MMSI}/")
    assert found == {"20260430", "20260501", "default"}


def test_a_day_without_a_partition_is_found_in_the_default(admin_client: Client) -> None:
    upsert(Report(vessel_id=MMSI, timestamp=NOON - dt.timedelta(days=60)))
    path = f"/api/vessels/{MMSI}/track/?from=2026-03-02T00:00:00Z&to=2026-03-03T00:00:00Z"
    assert opened(admin_client, path) == [{"default"}]
    assert len(admin_client.get(path).json()["points"]) == 1
