"""What django-q2 calls: housekeeping of the position tables. The work is in `partitions` and `retention`."""

from tracking.history import partitions, retention


def keep_house() -> str:
    """Make the partitions of the days ahead, drop what is too old; the counts as text. Raises django.db errors."""
    made = partitions.make_ahead(partitions.today())
    try:
        dropped = retention.apply(retention.today())
    except retention.RetentionRefused as refusal:
        return f"{made} partitions made, nothing dropped: {refusal}"
    return (
        f"{made} partitions made, {dropped.partitions} dropped, {dropped.left} left for the next run, "
        f"{dropped.rows} rows of the default partitions deleted"
    )
