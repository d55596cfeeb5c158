"""No list of the admin answers questions about columns that it does not offer: in filters, orders and searches."""

import datetime as dt
from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib import admin
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission, User
from django.db.models import Field, Model
from django.test import Client, RequestFactory
from django.urls import reverse
from django_q.models import Task

from ingest.models import Feed
from tests.support.letters import make_letter
from tracking.access import admin_site

pytestmark = pytest.mark.django_db

SECRET = "hunter2marker"
# Columns that no list shows to whoever may see it.
SECRETS = {"url", "options", "key_hash", "key", "password", "traceback", "raw", "edited", "context", "result", "args"}
# What may be asked of a list that has such a filter; every other name is refused.
OWN = {
    "vessel": {"seen"},
    "aircraft": {"seen"},
    "vesselposition": {"day"},
    "aircraftposition": {"day"},
    "refusedposition": {"reason", "decision", "subject"},
    "dispute": {"state", "subject"},
    "archivedday": {"kind"},
    "event": {"kind", "state"},
    "delivery": {"state"},
    "batch": {"source"},
    "refusedmessage": {"source"},
    "deadletter": {"status", "reason", "source", "stage", "age", "fingerprint"},
    "user": {"is_staff", "is_superuser", "is_active", "groups"},
    "success": {"group", "cluster"},
    "failure": {"group", "cluster"},
}


def pages() -> list[type[Model]]:
    """Those with lists of rows: breakers have no table."""
    return [model for model in admin.site._registry if model._meta.managed]


def paths(model: type[Model], depth: int = 2) -> Iterator[str]:
    """Fields and relations, both ways, `depth` relations deep."""
    for field in model._meta.get_fields(include_hidden=True):
        name = field.name if isinstance(field, Field) else field.get_accessor_name() and field.name
        if not name or name.endswith("+"):
            continue
        yield name
        if field.related_model is not None and depth:
            yield from (f"{name}__{path}" for path in paths(field.related_model, depth - 1))


def listed(model: type[Model]) -> str:
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")


@pytest.fixture
def asked(admin_user: User) -> Any:
    request = RequestFactory().get("/")
    request.user = admin_user
    return request


def test_every_page_stands_behind_the_rule() -> None:
    assert [page for page in admin.site._registry.values() if not isinstance(page, admin_site.OwnFiltersOnly)] == []


@pytest.mark.parametrize("model", pages(), ids=lambda model: model._meta.model_name)
def test_a_list_is_filtered_by_its_own_filters_only(asked: Any, model: type[Model]) -> None:
    page, own = admin.site.get_model_admin(model), OWN.get(model._meta.model_name, set())
    asked_for = {*paths(model)}
    assert asked_for
    for path in asked_for:
        assert page.lookup_allowed(path, "x", asked) is (path in own), path
        for comparison in ("startswith", "contains", "regex", "gt", "range", "password__startswith"):
            assert not page.lookup_allowed(f"{path}__{comparison}", "x", asked), (path, comparison)
    for path in own & asked_for:
        by_field = {"kind", "is_staff", "is_superuser", "is_active", "groups", "group", "cluster"}
        simple = path not in by_field or model._meta.model_name == "event"
        assert page.lookup_allowed(f"{path}__exact", "x", asked) is not simple


@pytest.mark.parametrize("model", pages(), ids=lambda model: model._meta.model_name)
def test_a_question_about_another_column_is_refused_even_to_a_superuser(admin_client: Client, model: Any) -> None:
    own = OWN.get(model._meta.model_name, set())
    for name in {path for path in paths(model, 0)} - own:
        assert admin_client.get(listed(model), {f"{name}__startswith": "a"}).status_code == 400, name
        assert admin_client.get(listed(model), {name: "a"}).status_code == 400, name


@pytest.mark.parametrize("model", pages(), ids=lambda model: model._meta.model_name)
def test_no_list_is_ordered_or_searched_by_a_secret(asked: Any, model: type[Model]) -> None:
    page = admin.site.get_model_admin(model)
    orders = []
    for name in page.get_list_display(asked):
        shown = name if callable(name) else getattr(page, name, None)
        orders.append(str(getattr(shown, "admin_order_field", None) or (name if isinstance(name, str) else "")))
    looked_at = {*page.get_search_fields(asked), *(page.ordering or ()), *orders}
    words = {word for path in looked_at for word in str(path).lstrip("-^=@").split("__")}
    assert words & SECRETS == set()


@pytest.fixture
def secrets(admin_user: User) -> None:
    """Rows that hold the marker wherever a secret lies."""
    Feed.objects.create(
        name="Roof",
        source="roof",
        url=f"https://reader:{SECRET}@example.org/data.json?token={SECRET}",
        options={"headers": {"X-Key": SECRET}},
        key_hash=SECRET,
    )
    make_letter(traceback=SECRET)
    noon = dt.datetime(2026, 5, 1, 12, tzinfo=dt.UTC)
    Task.objects.create(
        id="c" * 32, name="bad", func="f", args=(SECRET,), started=noon, stopped=noon, result=SECRET, success=False
    )
    User.objects.filter(pk=admin_user.pk).update(password=f"plain${SECRET}")


@pytest.mark.usefixtures("secrets")
@pytest.mark.parametrize("model", pages(), ids=lambda model: model._meta.model_name)
def test_a_search_does_not_find_a_secret(asked: Any, model: type[Model]) -> None:
    page = admin.site.get_model_admin(model)
    for text in (SECRET, SECRET[:3]):
        asked.GET = {"q": text}
        found, _ = page.get_search_results(asked, page.get_queryset(asked), text)
        assert not found.exists()


@pytest.mark.usefixtures("secrets")
@pytest.mark.parametrize("name", ["feed", "deadletter", "user"])
def test_no_list_in_any_order_and_no_page_shows_a_secret(name: str) -> None:
    """To somebody who may see everything and change nothing."""
    viewer = User.objects.create_user("viewer", is_staff=True)
    viewer.user_permissions.set(_permissions("view_feed", "view_deadletter", "view_user"))
    client = Client()
    client.force_login(viewer)
    (model,) = [model for model in pages() if model._meta.model_name == name]
    addresses = [f"{listed(model)}?o={order}" for order in range(1, 10)]
    for address in [*addresses, f"{listed(model)}{model.objects.first().pk}/change/"]:
        response = client.get(address)
        assert response.status_code == 200
        assert SECRET not in response.content.decode()


def _permissions(*names: str) -> Any:
    found = Permission.objects.filter(codename__in=names)
    assert found.count() == len(names)
    return found


def test_the_history_of_a_feed_names_what_changed_and_not_to_what(admin_client: Client) -> None:
    fields = {"name": "Roof", "source": "roof", "format": "readsb", "score": 80, "poll_seconds": 5, "options": "{}"}
    url = f"https://reader:{SECRET}@example.org/data.json"
    assert admin_client.post(reverse("admin:ingest_feed_add"), {**fields, "url": url}).status_code == 302
    changed = {**fields, "url": f"{url}?token={SECRET}", "options": f'{{"headers": {{"X-Key": "{SECRET}"}}}}'}
    page = reverse("admin:ingest_feed_change", args=[Feed.objects.get().pk])
    assert admin_client.post(page, changed).status_code == 302
    entries = [str(list(entry.values())) for entry in LogEntry.objects.values()]
    assert len(entries) == 2 and not [entry for entry in entries if SECRET in entry]
    history = reverse("admin:ingest_feed_history", args=[Feed.objects.get().pk])
    assert SECRET not in admin_client.get(history).content.decode()
