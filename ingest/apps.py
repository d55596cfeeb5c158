"""The app that gets positions in."""

from django.apps import AppConfig


class IngestConfig(AppConfig):
    """Registers how its dead letters are replayed."""

    name = "ingest"
    verbose_name = "Ingest"
