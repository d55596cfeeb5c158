"""The app for when something fails. It puts the retries of dead letters into django-q2's schedule after migrations."""

from typing import Any

from django.apps import AppConfig
from django.db.models.signals import post_migrate

from resilience.schedules import ensure_schedule

RETRY_MINUTES = 5


class ResilienceConfig(AppConfig):
    """Connects the schedule to post_migrate."""

    name = "resilience"
    verbose_name = "Resilience"

    def ready(self) -> None:
        post_migrate.connect(schedule_retries, sender=self, dispatch_uid="resilience.schedule_retries")


def schedule_retries(sender: AppConfig, using: str = "default", apps: Any = None, **_: Any) -> None:
    """Have a schedule that runs `retry_dead_letters` every 5 minutes."""
    ensure_schedule("resilience.tasks.retry_dead_letters", "Retry dead letters", RETRY_MINUTES, using, apps)
