"""How a feed is judged: facts and a time in, a state out; and the distributions that some of the facts come from."""

import random

import pytest

from ingest.health.histogram import bucket, quantile
from ingest.health.state import Facts, FeedState, FeedVerdict, judge, silence_limit, span
from tests.support.messages import NOON_MS as NOW

SECOND, MINUTE, HOUR = 1000, 60_000, 3_600_000


def facts(**values) -> Facts:
    """A feed that runs since an hour and sent a message a second ago."""
    return Facts(**{"told_at": NOW - SECOND, "since": NOW - HOUR, "last_message": NOW - SECOND} | values)


def judged(silent_seconds: float = 120, **values) -> FeedVerdict:
    return judge(facts(**values), NOW, silent_seconds)


def test_a_feed_with_a_recent_message_is_ok():
    assert judged() == FeedVerdict(FeedState.OK)


def test_a_connected_feed_without_messages_is_silent_after_the_setting():
    assert judged(last_message=NOW - 120 * SECOND).state is FeedState.OK
    verdict = judged(last_message=NOW - 184 * SECOND)
    assert verdict == FeedVerdict(FeedState.SILENT, "no message for 3 min 4 s, expected within 2 min")


def test_a_feed_that_was_just_connected_is_given_time_and_calls_nobody_either_way():
    verdict = judged(since=NOW - 20 * SECOND, last_message=NOW - HOUR)
    assert verdict == FeedVerdict(FeedState.OK, "waiting for the first message", settled=False)
    assert judged(since=NOW - 121 * SECOND, last_message=NOW - HOUR).state is FeedState.SILENT
    assert judged(since=NOW - 121 * SECOND, last_message=None).state is FeedState.SILENT


def test_a_feed_of_which_nothing_can_be_read_is_failing():
    verdict = judged(unreadable="checksum_wrong", last_message=None)
    assert verdict == FeedVerdict(FeedState.FAILING, "nothing of what comes can be read: checksum_wrong")
    assert not judged(unreadable="checksum_wrong", since=NOW - SECOND).settled


def test_a_feed_that_is_usually_slow_may_be_silent_for_longer():
    assert silence_limit(facts(baseline=0.5), 120) == 1200
    assert silence_limit(facts(baseline=600), 120) == 120
    assert silence_limit(facts(baseline=0.001), 120) == 6 * 3600
    assert silence_limit(facts(poll_seconds=300), 120) == 900
    assert judged(last_message=NOW - 10 * MINUTE, baseline=0.5).state is FeedState.OK


def test_a_setting_above_six_hours_is_obeyed():
    assert silence_limit(facts(baseline=0.001), 86_400) == 86_400


def test_a_feed_whose_source_fails_is_failing_and_after_half_a_minute_somebody_is_called():
    verdict = judged(error="connection refused", since=NOW - 29 * SECOND)
    assert verdict == FeedVerdict(FeedState.FAILING, "connection refused", settled=False)
    assert judged(error="connection refused", since=NOW - 30 * SECOND).settled


@pytest.mark.parametrize(("skew", "side"), [(61 * SECOND, "behind"), (-61 * SECOND, "ahead of")])
def test_times_more_than_a_minute_off_are_a_stale_clock(skew, side):
    assert judged(own_skew_ms=skew) == FeedVerdict(FeedState.STALE_CLOCK, f"its times are about 1 min 1 s {side} ours")
    assert judged(own_skew_ms=skew * 59 / 61).state is FeedState.OK


def test_a_disabled_feed_and_one_that_nobody_runs_are_off():
    assert judged(enabled=False, error="refused") == FeedVerdict(FeedState.OFF, "disabled")
    assert judged(told_at=NOW - 61 * SECOND) == FeedVerdict(FeedState.OFF, "no collector runs it")
    assert judge(Facts(), NOW, 120).state is FeedState.OFF


def test_a_recording_is_never_silent_but_may_fail():
    assert judged(recorded=True, last_message=None).state is FeedState.OK
    assert judged(recorded=True, error="no such file").state is FeedState.FAILING


def test_what_is_worse_is_said_first():
    silent = {"last_message": NOW - HOUR, "own_skew_ms": 90 * SECOND}
    assert judged(**silent).state is FeedState.SILENT
    assert judged(**silent, error="refused").state is FeedState.FAILING


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.44, "0.4 s"), (59.4, "59 s"), (60, "1 min"), (184, "3 min 4 s"), (7800, "2 h 10 min"), (100_000, "1 d 3 h")],
)
def test_spans_are_written_for_people(seconds, text):
    assert span(seconds) == text


@pytest.mark.parametrize("share", [0.05, 0.5, 0.95])
def test_a_quantile_of_the_buckets_is_within_a_twentieth_of_the_true_one(share):
    chance = random.Random(5)
    values = sorted(chance.lognormvariate(7, 1.5) for _ in range(5000))
    counts: dict[int, int] = {}
    for value in values:
        counts[bucket(value)] = counts.get(bucket(value), 0) + 1
    assert quantile(counts, share) == pytest.approx(values[int(share * len(values))], rel=0.06)


def test_negative_spans_have_buckets_of_their_own():
    assert bucket(-7000) == -bucket(7000)
    assert quantile({bucket(-7000): 9}, 0.5) == pytest.approx(-7000, rel=0.06)
    assert bucket(10) == bucket(-10) == 0


def test_no_span_is_too_long_and_nothing_has_no_quantile():
    assert quantile({bucket(1e12): 1}, 0.5) > 20 * HOUR
    assert quantile({}, 0.5) is None
