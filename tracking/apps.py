"""The app of identities, positions and live state."""

from django.apps import AppConfig


class TrackingConfig(AppConfig):
    """Registers the system checks."""

    name = "tracking"
    verbose_name = "Ships and aircraft"

    def ready(self) -> None:
        from tracking import checks  # noqa: F401  registering is what the import is for
