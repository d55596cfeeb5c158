"""The app for when something fails."""

from django.apps import AppConfig


class ResilienceConfig(AppConfig):
    """Puts the scheduled retries into django-q2."""

    name = "resilience"
    verbose_name = "Resilience"
