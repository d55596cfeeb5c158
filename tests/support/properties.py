"""How often a property is tried: as often as its test says, or a few times in `make quick`."""

from hypothesis import settings

QUICK_PROFILE = "quick"
QUICK_EXAMPLES = 5


def examples(count: int) -> settings:
    """The settings of a property that is tried `count` times."""
    is_quick = settings.get_current_profile_name() == QUICK_PROFILE
    return settings(max_examples=min(count, QUICK_EXAMPLES) if is_quick else count)
