"""Every list of the admin and of the API among 20 million positions, and the desk.

20 days of 1,000,000 rows of 20,000 vessels, up to today; 20,000 live ships and 10,000 live aircraft. Each page is asked
for by a superuser through Django's own client, so what is measured is the page, not a server in front of it. Verified:
each answers 200, and the lists of positions show rows.
"""

from __future__ import annotations

import datetime as dt
import statistics
import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode

from django.conf import settings
from django.contrib import admin
from django.contrib.auth import get_user_model
from django.core.management import call_command
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext, override_settings
from django.urls import reverse
from drf_spectacular.generators import SchemaGenerator

from tests.benchmarks.frame import Figure, Measured, Run, Unverified, benchmark
from tests.benchmarks.history import fill
from tracking.desk.panels import WINDOWS
from tracking.history import partitions
from tracking.live.state import LiveKind, LiveState, LiveUpdate

SHIPS, AIRCRAFT = 20_000, 10_000
DAYS, QUICK_DAYS = 20, 2
A_DAY = 1_000_000
ASKED = 3  # times a page and round
LIST_MS, MOMENT_MS, DESK_MS, DESK_QUERIES = 300, 500, 150, 12
DAY = dt.timedelta(days=1)
_NEVER_ENDING = "/api/stream/"
_MOMENT = "/api/at/"


@benchmark("lists", "all lists of admin and API among 20 million positions, and the desk")
def lists(run: Run) -> Measured:
    """Medians of a page, ms; the slowest ones by name."""
    days = QUICK_DAYS if run.quick else DAYS
    try:
        _prepare(days)
        return _measured(run, days)
    finally:
        with connection.cursor() as cursor:  # others have the same ships
            cursor.execute("TRUNCATE tracking_vesselposition, tracking_vessel, tracking_aircraft")


def _measured(run: Run, days: int) -> Measured:
    client = Client(SERVER_NAME="localhost")
    user = get_user_model()._default_manager.create_superuser("benchmark", "", "benchmark")
    with override_settings(REST_FRAMEWORK=_without_throttles(), STORAGES=_unhashed()):
        client.force_login(user)
        took = {page: _median(client, page, run.rounds) for page in [*_admin_lists(), *_api_lists()]}
        desk = {page: _median(client, page, run.rounds) for page in _desk()}
        queries = max(_queries(client, page) for page in _desk())
    moment = [took.pop(page) for page in list(took) if page.startswith(_MOMENT)]
    slowest = sorted(took, key=lambda page: took[page], reverse=True)[:5]
    figures = [Figure("the slowest list", [max(took.values())], "ms", LIST_MS, at_most=True)]
    figures += [Figure(f"  {page[:46]}", [took[page]], "ms") for page in slowest]
    figures += [
        Figure("the median list", [statistics.median(took.values())], "ms"),
        Figure("the world at a moment, which is no list", moment, "ms", MOMENT_MS, at_most=True),
        Figure("the desk, its page and its figures: the slower", [max(desk.values())], "ms", DESK_MS, at_most=True),
        Figure("  queries", [queries], "", DESK_QUERIES, at_most=True),
    ]
    return Measured(f"{days * A_DAY:,} rows in {days} days, {len(took)} lists", figures)


def _prepare(days: int) -> None:
    call_command("migrate", verbosity=0)
    today = dt.datetime.now(dt.UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    begins = [today - DAY * number for number in range(days)]
    partitions.make([begin.date() for begin in begins])
    for begin in begins:
        fill(begin, A_DAY, SHIPS)
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO tracking_vessel (mmsi, kind, name, callsign, first_seen, last_seen)"
            " SELECT 200000000 + n, 'ship', 'SHIP ' || n, 'C' || n, now() - interval '9 days', now()"
            " FROM generate_series(0, %s - 1) AS n",
            [SHIPS],
        )
        cursor.execute(
            "INSERT INTO tracking_aircraft (icao, callsign, first_seen, last_seen)"
            " SELECT lpad(to_hex(n + 4000000), 6, '0'), 'FL' || n, now() - interval '9 days', now()"
            " FROM generate_series(0, %s - 1) AS n",
            [AIRCRAFT],
        )
        cursor.execute("ANALYZE tracking_vessel, tracking_aircraft")
    now = time.time()
    ships = [_update(str(200_000_000 + n), n, now, {"speed": 12.3, "course": 271.5}) for n in range(SHIPS)]
    planes = [
        _update(f"{n + 4_000_000:06x}", n, now, {"ground_speed": 431.0, "heading": 90.0}) for n in range(AIRCRAFT)
    ]
    for kind, updates in ((LiveKind.VESSEL, ships), (LiveKind.AIRCRAFT, planes)):
        state = LiveState(kind)
        state.clear()
        for first in range(0, len(updates), 1000):
            state.write(updates[first : first + 1000])


def _update(key: str, number: int, now: float, fields: dict[str, Any]) -> LiveUpdate:
    place = (number % 140 - 70 + number / SHIPS, number % 350 - 175.0)
    return LiveUpdate(key, now, *place, fields | {"source": "before", "score": 80})


def _without_throttles() -> dict[str, Any]:
    return {**settings.REST_FRAMEWORK, "DEFAULT_THROTTLE_CLASSES": []}


def _unhashed() -> dict[str, Any]:
    """Static files by their own names: nobody has collected them here."""
    return {**settings.STORAGES, "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}}


def _admin_lists() -> Iterator[str]:
    """The list of every model, and the positions of one ship."""
    admin.autodiscover()
    for model in admin.site._registry:
        page = reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")
        yield page
        if model._meta.model_name == "vesselposition":
            yield f"{page}?q=200000123"


def _api_lists() -> Iterator[str]:
    """Every address without a variable that answers GET, with the parameters that it requires."""
    now = dt.datetime.now(dt.UTC)
    spans = {"from": (now - DAY / 24).isoformat(), "to": now.isoformat(), "bbox": "0,50,10,60"}
    given = {
        "/api/positions/vessels/": spans,
        "/api/positions/aircraft/": spans,
        "/api/replay/": spans,
        "/api/at/": {"time": (now - DAY / 2).isoformat(), "bbox": spans["bbox"]},
        "/api/live/receivers/": {"a": "before", "b": "after"},
    }
    schema: dict[str, Any] = SchemaGenerator().get_schema(request=None, public=True)  # type: ignore[no-untyped-call]
    for path, methods in schema["paths"].items():
        if "get" in methods and "{" not in path and not path.startswith(_NEVER_ENDING):
            yield f"{path}?{urlencode(given[path])}" if path in given else path


def _desk() -> list[str]:
    return [reverse("admin:index"), *(f"{reverse('admin:desk')}?window={one}" for one in WINDOWS)]


def _median(client: Client, page: str, rounds: int) -> float:
    """Milliseconds. Raises Unverified."""
    samples = []
    for number in range(rounds * ASKED + 1):
        began = time.perf_counter()
        answer = client.get(page)
        body = b"".join(answer.streaming_content) if answer.streaming else answer.content  # type: ignore[attr-defined]
        if number:
            samples.append((time.perf_counter() - began) * 1000)
        if answer.status_code != 200:
            raise Unverified(f"{page} answers {answer.status_code}: {body[:200]!r}")
        if "position" in page and "vessel" in page and b"200000" not in body:
            raise Unverified(f"{page} shows no rows")
    return statistics.median(samples)


def _queries(client: Client, page: str) -> int:
    with CaptureQueriesContext(connection) as context:
        client.get(page)
    return len(context)
