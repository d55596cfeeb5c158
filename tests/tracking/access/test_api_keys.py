"""Keys of the API: shown once, kept hashed, of one's own user, with an end and with scopes."""

import datetime as dt
from typing import Any

import pytest
from django.apps import apps
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission, User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone
from django_redis import get_redis_connection

from tests.support.keys import header, make_key
from tracking.access import copies
from tracking.access.api_keys import ApiKey, Scope, hashed

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("live_redis")]

ADD = "/admin/tracking/apikey/add/"
LIST = "/admin/tracking/apikey/"
FIELDS = {"name": "map", "scopes": ["live", "history"], "days": 30}


@pytest.fixture
def user(django_user_model: Any) -> User:
    return django_user_model.objects.create_user("reader")


@pytest.fixture
def staff() -> Client:
    """Somebody who may make, see and delete keys of his own."""
    maker = User.objects.create_user("maker", is_staff=True)
    maker.user_permissions.set(Permission.objects.filter(content_type__model="apikey"))
    client = Client()
    client.force_login(maker)
    return client


def status(row: ApiKey | str, path: str = "/api/stations/", scheme: str = "Token") -> int:
    value = row if isinstance(row, str) else header(row, scheme)
    return Client().get(path, HTTP_AUTHORIZATION=value).status_code


# --- in the admin -----------------------------------------------------------------------------------------------------
def test_a_new_key_is_shown_once_kept_hashed_and_opens_the_api(staff):
    answer = staff.post(ADD, FIELDS)
    row = ApiKey.objects.get()
    key = answer.content.decode().split('id="new-key"')[1].split(">")[1].split("<")[0]
    assert answer.status_code == 200 and "no-store" in answer["Cache-Control"]
    assert (row.key_hash, row.prefix, row.name, row.scopes) == (hashed(key), key[:6], "map", ["live", "history"])
    assert status(f"Token {key}") == status(f"Bearer {key}") == status(f"token {key}") == 200
    kept = str([list(found.values()) for model in (ApiKey, LogEntry) for found in model.objects.values()])
    assert len(key) == 43 and key not in kept
    for page in (LIST, f"{LIST}{row.pk}/change/", f"{LIST}{row.pk}/history/", reverse("admin:index")):
        shown = staff.get(page)
        assert shown.status_code == 200 and key not in shown.content.decode()


def test_a_key_is_made_in_ones_own_name_only_whatever_is_posted(staff, admin_client, admin_user):
    forged = {"user": admin_user.pk, "key_hash": hashed("known"), "prefix": "known", "expires_at": "2099-01-01"}
    staff.post(ADD, FIELDS | forged)
    row = ApiKey.objects.get()
    assert row.user.username == "maker" and row.key_hash != hashed("known")
    assert row.expires_at < timezone.now() + dt.timedelta(days=31)
    admin_client.post(ADD, FIELDS | {"user": row.user_id})
    assert ApiKey.objects.latest("pk").user == admin_user
    assert "user" not in admin_client.get(ADD).context["adminform"].form.fields


def test_people_see_and_delete_their_own_keys_and_superusers_all(staff, admin_client, user, admin_user):
    for foreign in (make_key(user), make_key(admin_user)):
        assert foreign.prefix not in staff.get(LIST).content.decode()
        for page in ("change", "delete", "history"):
            assert staff.get(f"{LIST}{foreign.pk}/{page}/").status_code == 302  # to the overview: there is none
        staff.post(f"{LIST}{foreign.pk}/delete/", {"post": "yes"})
        staff.post(LIST, {"action": "delete_selected", "_selected_action": [foreign.pk], "post": "yes"})
        assert status(foreign) == 200
        assert foreign.prefix in admin_client.get(LIST).content.decode()
    own = make_key(User.objects.get(username="maker"))
    assert own.prefix in staff.get(LIST).content.decode()
    for client, row in ((staff, own), (admin_client, make_key(user))):
        assert client.post(f"{LIST}{row.pk}/delete/", {"post": "yes"}).status_code == 302
        assert status(row) == 401


def test_nobody_changes_a_key(admin_client, user):
    row = make_key(user, Scope.LIVE)
    assert admin_client.post(f"{LIST}{row.pk}/change/", FIELDS | {"scopes": ["operate"]}).status_code == 403
    assert ApiKey.objects.get().scopes == ["live"]


@pytest.mark.parametrize(
    ("days", "staff_may", "superuser_may"), [(1, True, True), (365, True, True), (366, False, False), (0, False, True)]
)
def test_a_key_ends_within_a_year_unless_a_superuser_wants_none(staff, admin_client, days, staff_may, superuser_may):
    for client, may in ((staff, staff_may), (admin_client, superuser_may)):
        before = ApiKey.objects.count()
        client.post(ADD, FIELDS | {"days": days})
        assert ApiKey.objects.count() - before == may
        ends = ApiKey.objects.latest("pk").expires_at if may else None
        assert (ends is not None) is (may and days > 0)
        assert ends is None or abs(ends - timezone.now() - dt.timedelta(days=days)) < dt.timedelta(minutes=5)


@pytest.mark.parametrize("wrong", [{"scopes": []}, {"scopes": ["everything"]}, {"name": ""}, {"days": -1}])
def test_a_key_needs_a_name_and_scopes_that_there_are(staff, wrong):
    assert staff.post(ADD, FIELDS | wrong).status_code == 200
    assert not ApiKey.objects.exists()


# --- over the API -----------------------------------------------------------------------------------------------------
def test_a_key_that_has_ended_and_one_of_nobody_active_are_refused(user):
    row = make_key(user, expires_at=timezone.now() + dt.timedelta(hours=1))
    assert status(row) == status(row, "/api/live/vessels/") == 200
    ApiKey.objects.update(expires_at=timezone.now())
    copies.forget(row.key_hash)
    assert status(row) == status(row, "/api/live/vessels/") == 401
    ApiKey.objects.update(expires_at=None)
    assert status(row) == 200
    User.objects.update(is_active=False)
    assert status(row) == 401


@pytest.mark.parametrize("value", ["Token", "Token ", "Token a b", "Bearer", "Token \xff\xfe", "Token " + "a" * 5000])
def test_a_header_that_holds_no_key_is_a_401(value):
    assert status(value) == status(value, "/api/live/vessels/") == 401


def test_the_hash_of_a_key_is_no_key(user):
    assert status(f"Token {make_key(user).key_hash}") == 401


@pytest.mark.parametrize("scope", Scope)
def test_a_key_does_what_its_scopes_name_and_nothing_else(admin_user, scope):
    row = make_key(admin_user, scope)
    assert (status(row, "/api/live/vessels/") == 200) is (scope is Scope.LIVE)
    assert (status(row, "/api/vessels/") == status(row, "/api/feeds/") == 200) is (scope is Scope.HISTORY)
    asked = Client().post(
        "/api/dead-letters/retry/", {"filter": {}}, "application/json", HTTP_AUTHORIZATION=header(row)
    )
    assert asked.status_code == (202 if scope is Scope.OPERATE else 403)
    assert asked.headers["Content-Type"] == "application/json"


def test_a_scope_gives_no_right_that_the_user_has_not(user):
    row = make_key(user)
    assert status(row, "/api/dead-letters/") == 403
    asked = Client().post(
        "/api/dead-letters/retry/", {"filter": {}}, "application/json", HTTP_AUTHORIZATION=header(row)
    )
    assert asked.status_code == 403


def test_a_use_is_noted_once_a_minute(user):
    row = make_key(user)
    for ago, noted in ((None, True), (dt.timedelta(minutes=2), True), (dt.timedelta(seconds=30), False)):
        before = timezone.now() - ago if ago else None
        ApiKey.objects.update(last_used_at=before)
        with CaptureQueriesContext(connection) as queries:
            assert status(row) == 200
        assert any(query["sql"].startswith("UPDATE") for query in queries) is noted
        assert (ApiKey.objects.get().last_used_at != before) is noted


@pytest.mark.django_db(transaction=True)
def test_a_database_that_only_reads_serves_keys_all_the_same(user):
    row = make_key(user)
    ApiKey.objects.update(last_used_at=None)
    with connection.cursor() as cursor:
        cursor.execute("SET default_transaction_read_only = on")
        try:
            assert status(row) == 200
        finally:
            cursor.execute("SET default_transaction_read_only = off")
    assert ApiKey.objects.get().last_used_at is None


# --- copies -----------------------------------------------------------------------------------------------------------
def stored() -> dict[bytes, bytes]:
    redis = get_redis_connection("live")
    return {place: redis.get(place) for place in redis.scan_iter("tracking:api:key:*")}


def test_the_copy_of_a_key_holds_its_hash_only(user):
    row = make_key(user)
    assert status(row, "/api/live/vessels/") == 200
    copied = stored()
    assert list(copied) == [f"tracking:api:key:{row.key_hash}".encode()]
    assert row.key.encode() not in b"".join([*copied, *copied.values()])


def test_a_copy_ends_no_later_than_its_key(user):
    row = make_key(user, expires_at=timezone.now() + dt.timedelta(minutes=5))
    assert status(row, "/api/live/vessels/") == 200
    (place,) = stored()
    assert 0 < get_redis_connection("live").ttl(place) <= 300


def test_a_key_that_may_not_read_live_state_is_not_copied(user):
    assert status(make_key(user, Scope.HISTORY, Scope.OPERATE), "/api/live/vessels/") == 403
    assert not stored()


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("change", ["delete", "scopes", "end"])
def test_a_key_that_is_changed_or_deleted_loses_its_copy_at_once(user, change):
    row = make_key(user)
    assert status(row, "/api/live/vessels/") == 200
    if change == "delete":
        row.delete()
    elif change == "scopes":
        row.scopes = [Scope.HISTORY]
        row.save()
    else:
        row.expires_at = timezone.now()
        row.save()
    assert not stored()
    assert status(row, "/api/live/vessels/") == (403 if change == "scopes" else 401)


def test_no_package_that_keeps_keys_in_the_clear_is_installed():
    assert not apps.is_installed("rest_framework.authtoken")
