"""The app for when something fails. It puts the retries of dead letters into django-q2's schedule after migrations."""

from typing import Any

import django.apps
from django.apps import AppConfig
from django.db import connections, router
from django.db.models.signals import post_migrate


class ResilienceConfig(AppConfig):
    """Connects the schedule to post_migrate."""

    name = "resilience"
    verbose_name = "Resilience"

    def ready(self) -> None:
        post_migrate.connect(schedule_retries, sender=self, dispatch_uid="resilience.schedule_retries")


def schedule_retries(sender: AppConfig, using: str = "default", apps: Any = django.apps.apps, **_: Any) -> None:
    """Have a schedule that runs `retry_dead_letters` every 5 minutes; one that exists stays as its operator left it.

    `apps` is the state after the migrations (a `flush` sends none: then today's models). Without django-q2's table,
    as after a partial migrate, there is nothing to do.
    """
    try:
        schedule = apps.get_model("django_q", "Schedule")
    except LookupError:
        return
    if not router.allow_migrate_model(using, schedule) or not _has_table(using, schedule._meta.db_table):
        return
    func = "resilience.tasks.retry_dead_letters"
    # By function, not by name, and without get(): an operator may rename it, and may have made two.
    if not schedule.objects.using(using).filter(func=func).exists():
        schedule.objects.using(using).create(func=func, name="Retry dead letters", schedule_type="I", minutes=5)


def _has_table(using: str, table: str) -> bool:
    return table in connections[using].introspection.table_names()
