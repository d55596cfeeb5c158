"""What django-q2 calls: housekeeping of the position tables, in `history`, and their judging, in `truth`."""

from tracking.history import partitions, retention
from tracking.truth import judge


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


def judge_history() -> str:
    """Judge what was stored since the last time; the counts as text. Raises django.db errors."""
    done = judge.judge_all()
    return f"{done.rows} positions of {done.identities} targets read, {done.changed} numbers changed"
