"""The app of identities, positions and live state, and the admin on the project's own site."""

from typing import Any

from django.apps import AppConfig
from django.contrib import admin
from django.contrib.admin import apps as admin_apps
from django.contrib.admin import checks as admin_checks
from django.core import checks
from django.db.models.signals import post_migrate


class TrackingConfig(AppConfig):
    """Registers the system checks, the roles and who forgets revoked keys; offers sections to the status page."""

    default = True
    name = "tracking"
    verbose_name = "Ships and aircraft"
    operator_permissions = (
        *("add_apikey", "change_refusedposition", "change_delivery"),
        *("add_geofence", "change_geofence", "delete_geofence"),
        *("add_watchlist", "change_watchlist", "delete_watchlist"),
    )  # where notifications go to is for administrators: it reaches addresses outside

    def ready(self) -> None:
        import tracking.checks  # noqa: F401  registering is what the import is for
        from tracking.access import copies, roles

        copies.connect()
        post_migrate.connect(roles.grant, dispatch_uid="tracking.roles")

    def status_sections(self) -> list[Any]:
        """What the status page asks (see `tracking/status/sections.py`)."""
        from tracking.history.archiving import standing
        from tracking.status import sections as status

        return [*status.sections(), *standing.sections()]

    def dashboard_panels(self) -> list[Any]:
        """What the desk shows (see `tracking/desk/panels.py`)."""
        from tracking.history import panel as stored
        from tracking.live import panel as live

        return [*live.panels(), *stored.panels()]


class GuardedAdminConfig(admin_apps.SimpleAdminConfig):
    """Django's admin on `tracking/access/admin_site.py`.

    Its pages are looked for by those who serve them (`tracking/urls.py`) and by `manage.py check`: for all other
    programs they would be a third of their start.
    """

    default = False
    default_site = "tracking.access.admin_site.GuardedAdminSite"

    def ready(self) -> None:
        checks.register(admin_checks.check_dependencies, checks.Tags.admin)
        checks.register(check_pages, checks.Tags.admin)


def check_pages(app_configs: Any, **options: Any) -> list[checks.CheckMessage]:
    """Django's checks of the admin's pages, once they are there."""
    admin.autodiscover()
    return admin_checks.check_admin_app(app_configs, **options)
