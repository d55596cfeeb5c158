"""Where the health of feeds is kept: keys in the queue's Redis, one hash tag for all, each with an end.

    minute     hash, 2 h     counts of one feed and minute; distributions as `delay.<bucket>`, see
                             `ingest/health/histogram.py`
    tenths     hash, 9 d     messages of one feed and day by ten minutes (0 to 143)
    targets    HyperLogLog, 2 h   the targets heard in that minute
    heard      set, 40 min   identities heard in ten minutes
    facts      hash, 30 d    how its collector stands, the last message
    totals     hash, 30 d    counts since the feed was first heard, for counters; begin anew 30 d after the last
    baseline   hash, 35 d    messages a minute by hour of the week (0 is Monday 0-1 h UTC), averaged over weeks
    alert      JSON, 30 d    the state that was last announced

Minutes and hours are numbered from 1970 UTC.
"""

MINUTE_SECONDS = 2 * 3600
TENTHS_SECONDS = 9 * 86_400
FACTS_SECONDS = 30 * 86_400
BASELINE_SECONDS = 35 * 86_400
CLOCKS_SECONDS = 600
MINUTE_MS = 60_000
HEARD_MINUTES = 10
HEARD_PERIODS = 3  # that are looked at, the present one included
HEARD_SECONDS = HEARD_MINUTES * (HEARD_PERIODS + 1) * 60
HOUR_MS = 3_600_000
TENTH_MINUTES = 10
TENTHS_OF_DAY = 144


def minute(label: str, number: int) -> str:
    """Counts of a minute."""
    return f"tracking:{{health}}:minute:{label}:{number}"


def tenths(label: str, day: int) -> str:
    """Messages of a day since 1970."""
    return f"tracking:{{health}}:tenths:{label}:{day}"


def targets(label: str, number: int) -> str:
    """Targets of a minute."""
    return f"tracking:{{health}}:targets:{label}:{number}"


def heard(label: str, number: int) -> str:
    """Identities of HEARD_MINUTES."""
    return f"tracking:{{health}}:heard:{label}:{number}"


def facts(label: str) -> str:
    """What the collector tells."""
    return f"tracking:{{health}}:facts:{label}"


def totals(label: str) -> str:
    """What only grows."""
    return f"tracking:{{health}}:totals:{label}"


def baseline(label: str) -> str:
    """What is usual."""
    return f"tracking:{{health}}:baseline:{label}"


def alert(label: str) -> str:
    """What was announced."""
    return f"tracking:{{health}}:alert:{label}"


def clocks(label: str) -> str:
    """How the clocks of its stations are used: JSON of StationTimes, 10 min."""
    return f"tracking:{{health}}:clocks:{label}"


def hour_of_week(hour: int) -> int:
    """0 to 167 of an hour since 1970, which began on a Thursday."""
    return (hour + 72) % 168
