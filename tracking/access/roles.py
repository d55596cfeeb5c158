"""The roles viewer, operator and admin: groups of the admin with what each may do.

Nothing enters but the apps: an AppConfig says by `operator_permissions` which of its permissions, beside looking, an
operator needs, and by `withheld_permissions` which ones a viewer must not have although they are about looking. After
each migrate the groups have exactly what this version says; who wants other rights makes a group of another name.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import django.apps
from django.apps import AppConfig
from django.db import connections, router

VIEWER, OPERATOR, ADMIN = ROLES = ("viewer", "operator", "admin")

# What belongs to packages, and is shown in the admin. Rights themselves are given by superusers alone.
_OPERATORS_BESIDES = ("django_q.view_success", "django_q.view_failure")
_ADMINS_BESIDES = (
    *("django_q.delete_success", "django_q.delete_failure"),
    *("auth.view_group", "auth.view_user", "auth.add_user", "auth.change_user", "auth.delete_user"),
)


def permissions(role: str, known: Sequence[str]) -> set[str]:
    """Which of the `known` permissions (`app.codename`) a role has."""
    operating, withheld = _named("operator_permissions"), _named("withheld_permissions")
    own = {name for name in known if name.partition(".")[0] in _apps()}
    looking = {name for name in own if name.partition(".")[2].startswith("view_")} - withheld
    operator = looking | (own & (operating | withheld)) | (set(known) & set(_OPERATORS_BESIDES))
    admin = operator | own | (set(known) & set(_ADMINS_BESIDES))
    return {VIEWER: looking, OPERATOR: operator, ADMIN: admin}[role]


def grant(sender: AppConfig, using: str = "default", apps: Any = None, **_: Any) -> None:
    """Have the groups as they should be. For post_migrate, whose receivers before this one made the permissions."""
    if sender.label not in _apps():  # packages come before, so their permissions are there too
        return
    models = apps or django.apps.apps
    try:
        group, permission = models.get_model("auth", "Group"), models.get_model("auth", "Permission")
    except LookupError:  # a migrate to a time before them
        return
    if not router.allow_migrate_model(using, group) or not _has_tables(using, group, permission):
        return
    rows = permission.objects.using(using).select_related("content_type")
    ids = {f"{row.content_type.app_label}.{row.codename}": row.pk for row in rows}
    for role in ROLES:
        found, _created = group.objects.using(using).get_or_create(name=role)
        found.permissions.set([ids[name] for name in permissions(role, list(ids))])


def _has_tables(using: str, *models: Any) -> bool:
    tables = set(connections[using].introspection.table_names())
    return all(model._meta.db_table in tables for model in models)


def _apps() -> set[str]:
    return {config.label for config in django.apps.apps.get_app_configs() if hasattr(config, "operator_permissions")}


def _named(attribute: str) -> set[str]:
    configs = django.apps.apps.get_app_configs()
    named = ([f"{config.label}.{name}" for name in getattr(config, attribute, ())] for config in configs)
    return set(itertools.chain.from_iterable(named))
