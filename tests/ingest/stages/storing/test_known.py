"""Which sightings say something new, told without a server."""

from datetime import timedelta

from ingest.stages.storing.known import STATIC_REWRITE_SECONDS, KnownTargets
from tests.support.messages import NOON
from tracking.positions.identities import REWRITE_SECONDS, VesselSighting

SHIP = 244660123


def seen(after=0.0, mmsi=SHIP, **static):
    at = NOON + timedelta(seconds=after)
    return VesselSighting(mmsi, at, at, at if static else None, static)


def known(*sightings, **options):
    targets = KnownTargets(**options)
    targets.remember(sightings)
    return targets


def is_news(targets, sighting):
    return targets.news([sighting]) == [sighting]


def test_a_target_is_news_until_it_was_written():
    targets = known()
    assert is_news(targets, seen())
    targets.remember([seen()])
    assert not is_news(targets, seen(1))


def test_being_seen_earlier_or_a_minute_later_is_news():
    targets = known(seen())
    assert is_news(targets, seen(-1))
    assert not is_news(targets, seen(REWRITE_SECONDS - 1))
    assert is_news(targets, seen(REWRITE_SECONDS))


def test_static_data_are_news_when_they_say_something_else():
    targets = known(seen(name="ODIN", draught=7.5))
    assert not is_news(targets, seen(5, name="ODIN", draught=7.5))
    assert is_news(targets, seen(5, name="ODIN", draught=7.6))


def test_parts_that_come_in_turn_are_compared_each_with_its_own_kind():
    """Class B sends its name and its dimensions in two messages."""
    targets = known(seen(name="ODIN"), seen(1, callsign="PABC", beam=4))
    assert not is_news(targets, seen(2, name="ODIN"))
    assert not is_news(targets, seen(2, callsign="PABC", beam=4))


def test_a_part_is_news_again_after_another_one_changed_one_of_its_fields():
    targets = known(seen(name="ODIN", draught=7.5), seen(1, name="THOR"))
    assert is_news(targets, seen(2, name="ODIN", draught=7.5))


def test_unchanged_static_data_are_written_again_now_and_then():
    targets = known(seen(name="ODIN"))
    targets.remember([seen(STATIC_REWRITE_SECONDS - 30)])
    assert not is_news(targets, seen(STATIC_REWRITE_SECONDS - 1, name="ODIN"))
    assert is_news(targets, seen(STATIC_REWRITE_SECONDS, name="ODIN"))


def test_the_target_that_was_heard_least_recently_is_forgotten_first():
    targets = known(seen(mmsi=1), seen(mmsi=2), limit=2)
    assert not is_news(targets, seen(mmsi=1))
    targets.remember([seen(mmsi=3)])
    assert len(targets) == 2
    assert is_news(targets, seen(mmsi=2))
    assert not is_news(targets, seen(mmsi=1))
    targets.forget()
    assert is_news(targets, seen(mmsi=1))
