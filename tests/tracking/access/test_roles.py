"""Who may do what by role: one table of all permissions of the project."""

import importlib

import pytest
from django.apps import apps
from django.contrib.auth.models import Group, Permission, User
from django.core.management import call_command
from django.test import Client
from django.urls import reverse

from tracking.access.roles import ROLES, permissions

pytestmark = pytest.mark.django_db

# v: the viewer and all above, o: the operator and the admin, a: the admin only. What is not here nobody has by a role.
TABLE = {
    "tracking.view": "vessel:v aircraft:v station:v vesselposition:v aircraftposition:v refusedposition:v dispute:v "
    "archivedday:v apikey:v vesselchange:v aircraftchange:v "
    "event:v geofence:v watchlist:v notificationtarget:v delivery:v registeredaircraft:v",
    "tracking.add": "vessel:a aircraft:a station:a vesselposition:a aircraftposition:a archivedday:a apikey:o "
    "geofence:o watchlist:o notificationtarget:a registeredaircraft:a",
    "tracking.change": "vessel:a aircraft:a station:a vesselposition:a aircraftposition:a archivedday:a "
    "refusedposition:o geofence:o watchlist:o notificationtarget:a delivery:o registeredaircraft:a",
    "tracking.delete": "vessel:a aircraft:a station:a vesselposition:a aircraftposition:a archivedday:a apikey:a "
    "geofence:o watchlist:o notificationtarget:a registeredaircraft:a",
    "ingest.view": "feed:v batch:v dayaccount:v refusedmessage:v relay:v",
    "ingest.add": "relay:o feed:o batch:a dayaccount:a",
    "ingest.change": "relay:o feed:o batch:a dayaccount:a",
    "ingest.delete": "relay:a feed:a batch:a dayaccount:a",
    "resilience.view": "deadletter:v breaker:v parked:v traceback:o",
    "resilience.retry": "deadletter:o",
    "resilience.discard": "deadletter:o",
    "resilience.edit": "deadletter:o",
    "resilience.export": "deadletter:o",
    "resilience.operate": "breaker:o parked:o",
    "resilience.add": "deadletter:a",
    "resilience.change": "deadletter:a",
    "resilience.delete": "deadletter:a",
    "django_q.view": "success:o failure:o",
    "django_q.delete": "success:a failure:a",
    "auth.view": "user:a group:a",
    "auth.add": "user:a",
    "auth.change": "user:a",
    "auth.delete": "user:a",
}
FROM = {"v": ROLES, "o": ROLES[1:], "a": ROLES[2:]}


def table(role: str) -> set[str]:
    return {
        f"{verb}_{name}"
        for verb, entries in TABLE.items()
        for name, _, lowest in (entry.partition(":") for entry in entries.split())
        if role in FROM[lowest]
    }


def held(role: str) -> set[str]:
    rows = Permission.objects.filter(group__name=role).select_related("content_type")
    return {f"{row.content_type.app_label}.{row.codename}" for row in rows}


@pytest.mark.parametrize("role", ROLES)
def test_after_a_migrate_a_role_may_do_what_the_table_says(role):
    assert held(role) == table(role)


def test_a_migrate_puts_back_what_was_changed_and_leaves_other_groups_alone():
    own = Group.objects.create(name="pilots")
    Group.objects.get(name="viewer").permissions.set(Permission.objects.all())
    Group.objects.get(name="operator").delete()
    call_command("migrate", verbosity=0)
    assert {role: held(role) for role in ROLES} == {role: table(role) for role in ROLES}
    assert not own.permissions.exists()


def test_permissions_of_a_future_model_reach_the_admin_only_as_they_should():
    known = ["tracking.view_thing", "tracking.change_thing", "other.view_thing", "resilience.view_traceback"]
    assert {role: sorted(permissions(role, known)) for role in ROLES} == {
        "viewer": ["tracking.view_thing"],
        "operator": ["resilience.view_traceback", "tracking.view_thing"],
        "admin": ["resilience.view_traceback", "tracking.change_thing", "tracking.view_thing"],
    }


def test_a_group_of_before_keeps_its_members_under_another_name():
    migration = importlib.import_module("tracking.migrations.0001_ships_and_aircraft")
    migration.remove_groups(apps, None)
    member = User.objects.create_user("anna")
    Group.objects.create(name="operator").user_set.add(member)
    migration.make_groups(apps, None)
    assert [group.name for group in member.groups.all()] == ["operator (before roles)"]
    migration.remove_groups(apps, None)
    assert [group.name for group in member.groups.all()] == ["operator"]


@pytest.mark.parametrize(
    ("role", "answers"),
    [("viewer", [200, 403, 403]), ("operator", [200, 200, 403]), ("admin", [200, 200, 200])],
)
def test_a_member_of_a_role_opens_the_pages_that_are_meant(role, answers):
    user = User.objects.create_user("anna", is_staff=True)
    user.groups.add(Group.objects.get(name=role))
    client = Client()
    client.force_login(user)
    pages = ("ingest_feed_changelist", "ingest_feed_add", "auth_user_changelist")
    assert [client.get(reverse(f"admin:{page}")).status_code for page in pages] == answers
