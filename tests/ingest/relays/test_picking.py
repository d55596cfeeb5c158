"""Which messages a relay sends, and why it does not send the others."""

import pytest

from ingest.models import Relay
from ingest.relays import stream
from ingest.relays.picking import Picker, labels, rules_of
from tests.support.messages import position, static
from tests.support.relays import entry, rules

SHIPS = [position(mmsi=211000000 + number) for number in range(10)]


def picked(picker, *args, **kwargs):
    """Reasons as they are, messages as `sent`."""
    return ["sent" if isinstance(one, bytes) else one for one in picker.pick(entry(*args, **kwargs))]


def test_a_relay_without_feeds_passes_all_on_that_was_heard():
    assert picked(Picker(rules()), SHIPS[:2], source="pier") == ["sent", "sent"]


def test_what_was_not_heard_goes_out_only_where_its_feed_is_named():
    assert picked(Picker(rules()), SHIPS[:1], origin="sim://?ships=60") == ["simulated"]
    assert picked(Picker(rules()), SHIPS[:1], invented=True) == ["simulated"]
    named = Picker(rules(feeds=frozenset({"sim-ships"})))
    assert picked(named, SHIPS[:1], source="sim-ships", origin="sim://?ships=60") == ["sent"]


def test_other_feeds_are_left_out():
    picker = Picker(rules(feeds=labels(" pier , mole,")))
    assert [
        picked(picker, [ship], source=name) for ship, name in zip(SHIPS, ("pier", "mole", "quay"), strict=False)
    ] == [
        ["sent"],
        ["sent"],
        ["other_feed"],
    ]


def test_kinds_that_are_not_wanted_are_left_out():
    kinds = bytes((stream.POSITION, stream.STATIC))
    assert picked(Picker(rules(kinds=bytes([stream.STATIC]))), [position(), static()], kinds) == ["other_kind", "sent"]


def test_what_another_station_heard_too_goes_out_once_and_again_when_it_is_said_again():
    picker = Picker(rules())
    assert picked(picker, SHIPS[:1], ms=1_000_000) == ["sent"]
    assert picked(picker, SHIPS[:2], ms=1_020_000) == ["duplicate", "sent"]
    assert picked(picker, SHIPS[:2], ms=1_031_000) == ["sent", "duplicate"]


def test_the_rate_is_kept_with_a_burst_of_two_seconds():
    picker = Picker(rules(messages_per_second=2))
    assert picked(picker, SHIPS[:6], ms=1_000_000) == ["sent"] * 4 + ["rate_limit"] * 2
    assert picked(picker, SHIPS[6:9], ms=1_000_500) == ["sent", "rate_limit", "rate_limit"]
    assert picked(picker, SHIPS[4:6], ms=1_001_500) == ["sent", "sent"], "what the rate left out is no duplicate"


def test_a_relay_that_begins_again_decides_as_if_it_had_not_ended():
    entries = [entry(SHIPS[number : number + 3], ms=1_000_000 + 4000 * number) for number in range(7)]
    whole = Picker(rules(messages_per_second=1))
    expected = [whole.pick(one) for one in entries]
    second = Picker(rules(messages_per_second=1))
    second.recall(entries[:4])
    assert [second.pick(one) for one in entries[4:]] == expected[4:]


@pytest.mark.parametrize("names", [("positions",), ("static", "other"), ()])
def test_the_rules_are_those_of_the_admin(names):
    flags = {name: name in names for name in ("positions", "static", "stations", "other")}
    letters = {"positions": "p", "static": "s", "stations": "b", "other": "o"}
    made = rules_of(Relay(pk=7, name="Pier", url="udp://127.0.0.1:9", feeds="a,b", **flags))
    assert (made.key, made.format, made.feeds) == (7, "nmea", {"a", "b"})
    assert made.kinds.decode() == "".join(letters[name] for name in names)
