"""What django-q2 calls: housekeeping of the position tables. The work is in `tracking.partitions`."""

from django.utils import timezone

from tracking import partitions


def keep_house() -> str:
    """Make the partitions of the days ahead; the number made, as text. Raises django.db errors."""
    return f"{partitions.make_ahead(timezone.now().date())} partitions made"
