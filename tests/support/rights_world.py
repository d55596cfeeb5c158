"""The world of the table of rights: one row of everything, and everybody who might ask.

`People` are sessions and keys by name; `arguments` says with which row an address is asked.
"""

import datetime as dt
import re
import uuid
from collections.abc import Callable, Iterator
from typing import Any

from django.contrib.auth.models import Group, Permission, User
from django.db.models import Q
from django.http import HttpResponseBase
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver
from django.utils import timezone
from django_q.models import Schedule, Task

from ingest.models import Batch, Feed, RefusedMessage, Relay
from resilience.models import LetterJob
from tests.support.keys import header, make_key
from tests.support.letters import make_letter
from tracking.access.api_keys import Scope
from tracking.events.models.event import Event
from tracking.events.models.notices import Delivery, NotificationTarget
from tracking.events.models.rules import Geofence, WatchList
from tracking.models import (
    Aircraft,
    AircraftChange,
    AircraftPosition,
    ArchivedDay,
    Station,
    Vessel,
    VesselChange,
    VesselPosition,
)
from tracking.truth.models import Dispute, RefusedPosition

NOON = dt.datetime(2026, 5, 1, 12, tzinfo=dt.UTC)
SECRET = "hunter2marker"
SQUARE = {"type": "Polygon", "coordinates": [[[3.9, 51.9], [4.1, 51.9], [4.1, 52.1], [3.9, 52.1], [3.9, 51.9]]]}
STATE = {"tracks": [[[[0, 54.5, 10.2, 1.0, None, 0]], [], 3, 0, True, [0, 54.5, 10.2, 1.0, None, 0], None]]}
# What an operator may do beside looking.
OPERATIONS = (
    *("retry_deadletter", "discard_deadletter", "edit_deadletter", "export_deadletter", "view_traceback"),
    *("operate_breaker", "operate_parked", "add_feed", "change_feed", "add_apikey"),
    *("add_relay", "change_relay"),
    "change_refusedposition",
    *("add_geofence", "change_geofence", "change_delivery"),
)

Ask = Callable[[str, str], HttpResponseBase]  # method and address


def make_rows() -> dict[str, Any]:
    """One row of every model, by the model's name."""
    seen = {"first_seen": NOON, "last_seen": NOON}
    place = {"timestamp": NOON, "received_at": NOON, "source": "pier", "score": 80, "latitude": 54.5, "longitude": 10.2}
    task = {"func": "tasks.work", "started": NOON, "stopped": NOON, "result": "done"}
    owner = User.objects.create_user("owner")
    ship = Vessel.objects.create(mmsi=211000001, kind="ship", **seen)
    plane = Aircraft.objects.create(icao="3c6444", **seen)
    happened = Event.objects.create(kind="sighted", subject="vessel", identity="211000001", since=NOON, held_at=NOON)
    told = NotificationTarget.objects.create(name="Bridge", url=f"jsons://example.org/{SECRET}", kinds=["sighted"])
    return {
        "event": happened,
        "notificationtarget": told,
        "delivery": Delivery.objects.create(event=happened, target=told),
        "geofence": Geofence.objects.create(name="Roads", area=SQUARE),
        "watchlist": WatchList.objects.create(name="Wanted"),
        "vessel": ship,
        "aircraft": plane,
        "station": Station.objects.create(mmsi=2320001, kind="base", **seen),
        "vesselposition": VesselPosition.objects.create(vessel=ship, **place),
        "aircraftposition": AircraftPosition.objects.create(aircraft=plane, **place),
        "vesselchange": VesselChange.objects.create(vessel=ship, field="name", value="STAR", since=NOON),
        "aircraftchange": AircraftChange.objects.create(aircraft=plane, field="squawk", value="7000", since=NOON),
        "refusedposition": RefusedPosition.objects.create(
            subject="vessel", identity="211000001", timestamp=NOON, latitude=1, longitude=2, source="pier", reason=-1
        ),
        "dispute": Dispute.objects.create(
            subject="vessel", identity="211000001", since=NOON, judged_until=NOON, state=STATE
        ),
        "archivedday": ArchivedDay.objects.create(
            kind="vessel", day=dt.date(2001, 1, 1), rows=1, bytes=1, hash="0" * 32, at=NOON
        ),
        "feed": Feed.objects.create(name="Pier", url=f"push://?token={SECRET}", source="pier"),
        "relay": Relay.objects.create(name="Harbour", url="udp://127.0.0.1:9"),
        "batch": Batch.objects.create(run=uuid.uuid4(), source="pier", format="nmea", accepted_at=NOON, booked_at=NOON),
        "refusedmessage": RefusedMessage.objects.create(
            source="pier", format="nmea", reason="checksum", slot=0, received_at=NOON, raw=b"!AIVDM"
        ),
        "deadletter": make_letter(traceback=SECRET),
        "letterjob": LetterJob.objects.create(action="retry", frozen_at=NOON, created_by="owner"),
        "apikey": make_key(owner),
        "user": owner,
        "group": Group.objects.create(name="clerks"),
        "schedule": Schedule.objects.create(name="house", func="tracking.tasks.keep_house"),
        "success": Task.objects.create(id="a" * 32, name="good", success=True, **task),
        "failure": Task.objects.create(id="b" * 32, name="bad", success=False, **task),
    }


def make_people() -> dict[str, Ask]:
    """Everybody, by name: first sessions, then keys. All keys but those of `plain` are a superuser's."""
    looking = Q(codename__startswith="view_") & ~Q(codename="view_traceback")
    viewer, operator = _user("viewer", looking, is_staff=True), _user("operator", is_staff=True)
    operator.user_permissions.set(Permission.objects.filter(looking | Q(codename__in=OPERATIONS)))
    boss, plain = _user("boss", is_staff=True, is_superuser=True), _user("plain")
    sessions = {"staff": _user("staff", is_staff=True), "viewer": viewer, "operator": operator, "boss": boss}
    keys = {f"key_{scope.value}": make_key(boss, scope) for scope in Scope}
    keys["key_of_plain"] = make_key(plain)
    keys["key_over"] = make_key(boss, expires_at=timezone.now() - dt.timedelta(seconds=1))
    return {
        "nobody": _asking(Client()),
        "plain": _session(plain),
        **{name: _session(user) for name, user in sessions.items()},
        **{name: _asking(Client(HTTP_AUTHORIZATION=header(key))) for name, key in keys.items()},
    }


def _user(name: str, permissions: Q | None = None, **flags: bool) -> User:
    user = User.objects.create_user(name, **flags)
    if permissions is not None:
        user.user_permissions.set(Permission.objects.filter(permissions))
    return user


def _session(user: User) -> Ask:
    client = Client()
    client.force_login(user)
    return _asking(client)


def _asking(client: Client) -> Ask:
    client.raise_request_exception = False

    def ask(method: str, address: str) -> HttpResponseBase:
        if method == "POST" and address.startswith("/api/"):
            return client.post(address, {}, content_type="application/json")
        return client.generic(method, address) if method != "POST" else client.post(address, {})

    return ask


def routes(patterns: Any = None, before: str = "") -> Iterator[tuple[str, str]]:
    """(path, name, empty where it has none) of every address."""
    for pattern in get_resolver().url_patterns if patterns is None else patterns:
        path = before + str(pattern.pattern)
        if isinstance(pattern, URLResolver):
            yield from routes(pattern.url_patterns, path)
        elif isinstance(pattern, URLPattern):
            yield path, pattern.name or ""


def address(path: str, rows: dict[str, Any]) -> str:
    """The path with its blanks filled in by the rows."""
    model = next((name for name in rows if f"/{name}/" in path), "")
    row = rows[model].pk if model else 1
    fill = {
        "object_id": row,
        "id": row,
        "number": 1,
        "content_type_id": 1,
        "app_label": "tracking",
        "format_": "csv",
        "entry_id": "1-1",
        "name": "glossary" if "handbook" in path else "database",
        "label": "pier",
        "zoom": 0,
        "x": 0,
        "y": 0,
        "mmsi": rows["station" if "stations" in path else "vessel"].pk,
        "icao": rows["aircraft"].pk,
        "folder": "44",
        "file": "trace_full_3c6444.json",
        "by": "hex",
        "addresses": "3c6444",
        "what": "callsign",
        "names": "DLH4AB",
        "lat": "54",
        "lon": "10",
        "radius": "5",
        "key": row,  # of a live target
        "pk": _key_of(path, rows),
    }
    path = re.sub(r"\(\?P<(\w+)>(?:[^()]|\([^()]*\))*\)", r"<\1>", path).replace("^", "").replace("$", "")
    return "/" + re.sub(r"<(?:\w+:)?(\w+)>", lambda blank: str(fill[blank[1]]), path)


def _key_of(path: str, rows: dict[str, Any]) -> Any:
    names = {
        "events": "event",
        "feeds": "feed",
        "disputes": "dispute",
        "dead-letters": "deadletter",
        "dead-letter-jobs": "letterjob",
    }
    return next((rows[model].pk for room, model in names.items() if f"{room}/" in path), "")
