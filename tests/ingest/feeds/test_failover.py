"""A feed that stands in for another runs while that one is down, and gives way when it is well."""

from typing import Any

import pytest
from django.urls import reverse

from ingest.feeds import failover
from ingest.health.state import FeedState, FeedVerdict
from ingest.models import Feed
from tests.ingest.feeds.test_feed_admin import GOOD, errors

pytestmark = pytest.mark.django_db


@pytest.fixture
def health(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """How the feeds are, by label; what is not in it is not known."""
    known: dict[str, Any] = {}

    class Known:
        def __init__(self, verdict: FeedVerdict) -> None:
            self.verdict = verdict

    def attach(feeds: list[Feed], now: int) -> None:
        for feed in feeds:
            feed.health = Known(known[feed.source]) if feed.source in known else None  # type: ignore[attr-defined]

    monkeypatch.setattr(failover, "attach", attach)
    return known


@pytest.fixture
def both() -> tuple[Feed, Feed]:
    first = Feed.objects.create(name="First", url="udp://0.0.0.0:1", source="first")
    return first, Feed.objects.create(name="Second", url="udp://0.0.0.0:2", source="second", stands_in_for=first)


def run(running: set[str]) -> set[str]:
    return {feed.source for feed in failover.needed(Feed.objects.all(), running)}


@pytest.mark.usefixtures("both")
@pytest.mark.parametrize(
    ("verdict", "running", "expected"),
    [
        (FeedVerdict(FeedState.OK), {"first"}, {"first"}),
        (FeedVerdict(FeedState.SILENT), {"first"}, {"first", "second"}),
        (FeedVerdict(FeedState.FAILING), {"first"}, {"first", "second"}),
        (FeedVerdict(FeedState.OK), {"first", "second"}, {"first"}),
        (FeedVerdict(FeedState.FAILING, settled=False), {"first"}, {"first"}),
        (FeedVerdict(FeedState.OK, settled=False), {"first", "second"}, {"first", "second"}),
        (None, {"first"}, {"first"}),
        (None, {"first", "second"}, {"first", "second"}),
    ],
)
def test_it_runs_while_the_other_is_down_and_stays_as_it_is_while_nobody_knows(
    verdict: FeedVerdict | None, running: set[str], expected: set[str], health: dict[str, Any]
) -> None:
    if verdict is not None:
        health["first"] = verdict
    assert run(running) == expected


def test_it_runs_where_the_other_is_not_enabled_or_gone(both: tuple[Feed, Feed], health: dict[str, Any]) -> None:
    first, _ = both
    health["first"] = FeedVerdict(FeedState.OK)
    Feed.objects.filter(pk=first.pk).update(enabled=False)
    assert run(set()) == {"second"}
    first.delete()
    assert run(set()) == {"second"}


def test_no_feed_stands_in_for_itself_or_for_one_that_stands_in(both: tuple[Feed, Feed], admin_client: Any) -> None:
    first, second = both
    page = reverse("admin:ingest_feed_change", args=[first.pk])
    for other in (first, second):
        given = GOOD | {"source": "first", "name": "First", "stands_in_for": str(other.pk)}
        assert list(errors(admin_client.post(page, given))) == ["stands_in_for"]
