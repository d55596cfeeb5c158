"""The app for when something fails. Migrations end with the schedules for retries and expiry of dead letters."""

from typing import Any

from django.apps import AppConfig
from django.db.models.signals import post_migrate

from resilience.queue.schedules import ensure_schedule

RETRY_MINUTES = 5
EXPIRY_MINUTES = 24 * 60


class ResilienceConfig(AppConfig):
    """Connects the schedules to post_migrate."""

    name = "resilience"
    verbose_name = "Resilience"
    operator_permissions = (
        *("retry_deadletter", "discard_deadletter", "edit_deadletter", "export_deadletter"),
        *("operate_breaker", "operate_parked"),
    )
    withheld_permissions = ("view_traceback",)  # for those who may do something about it

    def ready(self) -> None:
        post_migrate.connect(schedule_retries, sender=self, dispatch_uid="resilience.schedule_retries")
        post_migrate.connect(schedule_expiry, sender=self, dispatch_uid="resilience.schedule_expiry")

    def status_sections(self) -> list[dict[str, Any]]:
        """What the status page asks (see `status.py`)."""
        from resilience import status

        return status.sections()

    def dashboard_panels(self) -> list[dict[str, Any]]:
        """What the operator's desk shows (see `panels.py`)."""
        from resilience import panels

        return panels.panels()

    def dashboard_badges(self) -> list[dict[str, Any]]:
        """The numbers beside this app's pages."""
        from resilience import panels

        return panels.badges()


def schedule_retries(sender: AppConfig, using: str = "default", apps: Any = None, **_: Any) -> None:
    """Have a schedule that runs `retry_dead_letters` every 5 minutes."""
    ensure_schedule("resilience.tasks.retry_dead_letters", "Retry dead letters", RETRY_MINUTES, using, apps)


def schedule_expiry(sender: AppConfig, using: str = "default", apps: Any = None, **_: Any) -> None:
    """Have a schedule that runs `expire_dead_letters` once a day."""
    ensure_schedule("resilience.tasks.expire_dead_letters", "Expire dead letters", EXPIRY_MINUTES, using, apps)
