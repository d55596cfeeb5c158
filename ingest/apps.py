"""The app that gets positions in."""

from django.apps import AppConfig


class IngestConfig(AppConfig):
    """Registers how its dead letters are replayed, and who takes batches that no worker survives."""

    name = "ingest"
    verbose_name = "Ingest"

    def ready(self) -> None:
        from ingest import consumption, replay
        from resilience import broker, dead_letters

        for kind, handler in replay.HANDLERS.items():
            dead_letters.register(kind, handler)
        broker.on_spent(consumption.bury)
