"""The app of identities, positions and live state."""

from typing import Any

from django.apps import AppConfig


class TrackingConfig(AppConfig):
    """Registers the system checks and who forgets revoked keys; offers sections to the status page."""

    name = "tracking"
    verbose_name = "Ships and aircraft"

    def ready(self) -> None:
        from tracking import checks  # noqa: F401  registering is what the import is for
        from tracking.api import keys

        keys.connect()

    def status_sections(self) -> list[Any]:
        """What the status page asks (see `tracking/status.py`)."""
        from tracking import status

        return [*status.sections()]
