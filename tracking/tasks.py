"""What django-q2 calls: housekeeping of the position tables. The work is in `partitions` and `retention`."""

from django.utils import timezone

from tracking import partitions, retention


def keep_house() -> str:
    """Make the partitions of the days ahead, drop what is too old; the counts as text. Raises django.db errors."""
    today = timezone.now().date()
    made, dropped = partitions.make_ahead(today), retention.apply(today)
    return (
        f"{made} partitions made, {dropped.partitions} dropped, {dropped.left} left for the next run, "
        f"{dropped.rows} rows of the default partitions deleted"
    )
