"""The app that gets positions in. It schedules housekeeping, because only it may know of both other apps."""

from typing import Any

from django.apps import AppConfig
from django.db.models.signals import post_delete, post_migrate, post_save

from resilience.queue.schedules import ensure_schedule

HOUSEKEEPING_MINUTES = 60
JUDGE_MINUTES = 1
EVENT_MINUTES = 1


class IngestConfig(AppConfig):
    """Registers how dead letters are replayed, who takes batches that no worker survives, who follows feeds, and who
    tells up to when things may be deleted."""

    name = "ingest"
    verbose_name = "Ingest"
    operator_permissions = ("add_feed", "change_feed", "add_relay", "change_relay")

    def ready(self) -> None:
        from ingest import consumption, replay
        from ingest.ledger import reckoning
        from ingest.push import receivers
        from resilience import clocks
        from resilience.letters import dead_letters
        from resilience.queue import spent
        from tracking.history import retention

        for kind, handler in replay.HANDLERS.items():
            dead_letters.register(kind, handler)
        spent.on_spent(consumption.make_dead_letter)
        clocks.bound_by(reckoning.newest_reception)
        retention.reckon_by(reckoning.today)
        for signal in (post_save, post_delete):
            signal.connect(receivers.on_change, sender="ingest.Feed", dispatch_uid="ingest.push.receivers")
        post_migrate.connect(schedule_housekeeping, sender=self, dispatch_uid="ingest.schedule_housekeeping")

    def status_sections(self) -> list[dict[str, Any]]:
        """What the status page asks (see `status.py`)."""
        from ingest.health.shown import sections as feeds
        from ingest.relays import sections as relays

        return feeds.sections() + relays.sections()

    def dashboard_panels(self) -> list[Any]:
        """What the operator's desk shows (see `ingest/health/shown/panels.py`)."""
        from ingest.health.shown import panels as health
        from ingest.ledger import panel as ledger
        from ingest.relays import panel as relays

        return [*health.panels(), *ledger.panels(), *relays.panels()]

    def target_tables(self, subject: Any, key: Any) -> list[Any]:
        """What stands below the page of a ship or aircraft (see `ingest/targets.py`)."""
        from ingest import targets

        return targets.tables(subject, key)

    def dashboard_badges(self) -> list[dict[str, Any]]:
        """The numbers beside feeds and relays."""
        from ingest.health.shown import panels as health
        from ingest.relays import panel as relays

        return health.badges() + relays.badges()

    def feed_standings(self) -> list[Any]:
        """What the map asks of feeds; so are the next ones (see `tracking/map/offers.py`)."""
        from ingest.health.shown import standings

        return list(standings.standings())

    def feed_reach_days(self) -> list[tuple[str, str]]:
        """Which feeds have an outline of their reach, and of which day."""
        from ingest.scorecards import reach

        return list(reach.days().items())

    def feed_reach(self, feed: str) -> list[Any]:
        """The outline of a feed's reach."""
        from ingest.scorecards import reach

        found = reach.of(feed)
        return [] if found is None else [found]

    def heard_by(self, feed: str) -> set[str]:
        """Whom a feed has heard lately."""
        from ingest.health.shown import heard

        return heard.by_feed(feed)

    def feeds_that_heard(self, key: str) -> list[str]:
        """Which feeds have heard an identity lately."""
        from ingest.health.shown import heard

        return heard.feeds_of(key)

    def why_not_here(self, kind: str, key: str, user: Any) -> list[dict[str, str]]:
        """Dead letters of an identity."""
        from ingest import mentions

        return mentions.findings(key, user)


def schedule_housekeeping(sender: AppConfig, using: str = "default", apps: Any = None, **_: Any) -> None:
    """Have schedules that make partitions ahead and drop old ones, roll up closed days of the ledger, judge what was
    stored, and look for events and send notifications."""
    ensure_schedule("tracking.tasks.keep_house", "Make partitions ahead", HOUSEKEEPING_MINUTES, using, apps)
    ensure_schedule("ingest.tasks.close_books", "Close the books", HOUSEKEEPING_MINUTES, using, apps)
    ensure_schedule("tracking.tasks.judge_history", "Judge positions", JUDGE_MINUTES, using, apps)
    ensure_schedule("tracking.tasks.look_for_events", "Look for events", EVENT_MINUTES, using, apps)
    ensure_schedule("tracking.tasks.send_notifications", "Send notifications", EVENT_MINUTES, using, apps)
