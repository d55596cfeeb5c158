"""Whoever looks after users gets no rights by it that were not his."""

import pytest
from django.contrib.auth.models import Group, Permission, User
from django.test import Client

pytestmark = pytest.mark.django_db

USERS = "/admin/auth/user/"
JOINED = {"date_joined_0": "2026-05-01", "date_joined_1": "12:00:00"}


def permissions(*names: str) -> list[Permission]:
    return [Permission.objects.get(codename=name) for name in names]


@pytest.fixture
def clerk() -> User:
    """May look after users and groups."""
    user = User.objects.create_user("clerk", is_staff=True)
    rights = [f"{verb}_{what}" for what in ("user", "group") for verb in ("add", "view", "change", "delete")]
    user.user_permissions.set(permissions(*rights))
    return user


@pytest.fixture
def client(clerk: User) -> Client:
    client = Client()
    client.force_login(clerk)
    return client


def test_rights_are_given_by_superusers_only(client, clerk, admin_client):
    other, group = User.objects.create_user("other"), Group.objects.create(name="operators")
    right = permissions("change_feed")[0]
    forged = {"is_superuser": "on", "is_staff": "on", "groups": [group.pk], "user_permissions": [right.pk]}
    for user in (clerk, other):
        sent = {"username": user.username, "first_name": "New", "is_active": "on", **JOINED, **forged}
        assert client.post(f"{USERS}{user.pk}/change/", sent).status_code == 302
        user.refresh_from_db()
        assert user.first_name == "New"
        assert not user.is_superuser and user.is_staff is (user == clerk)
        assert not user.groups.exists() and right not in user.user_permissions.all()
    sent = {"username": "other", "is_active": "on", **JOINED, **forged}
    assert admin_client.post(f"{USERS}{other.pk}/change/", sent).status_code == 302
    other.refresh_from_db()
    assert other.is_superuser and other.is_staff and list(other.groups.all()) == [group]


@pytest.mark.parametrize("page", ["change", "password", "delete"])
def test_nobody_touches_a_user_who_may_do_more(client, admin_user, page):
    operator, equal = User.objects.create_user("operator"), User.objects.create_user("equal")
    operator.user_permissions.set(permissions("change_feed"))
    equal.user_permissions.set(permissions("view_user"))
    sent = {"username": "forged", "password1": "let me in 5", "password2": "let me in 5", "post": "yes", **JOINED}
    for user in (admin_user, operator):
        assert client.post(f"{USERS}{user.pk}/{page}/", sent).status_code == 403
        assert User.objects.filter(pk=user.pk, username=user.username, password=user.password).exists()
    assert client.get(f"{USERS}{equal.pk}/{page}/").status_code == 200


def test_a_superuser_is_not_deleted_from_the_list_either(client, admin_user):
    client.post(USERS, {"action": "delete_selected", "_selected_action": [admin_user.pk], "post": "yes"})
    assert User.objects.filter(pk=admin_user.pk).exists()


def test_what_a_group_may_do_is_said_by_superusers(client):
    group = Group.objects.create(name="operators")
    sent = {"name": "operators", "permissions": [permissions("change_feed")[0].pk]}
    for page in ("add/", f"{group.pk}/change/"):
        assert client.post(f"/admin/auth/group/{page}", sent).status_code == 403
    assert not group.permissions.exists()
