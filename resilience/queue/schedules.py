"""Schedules of django-q2 that the project needs: made after migrations, left alone afterwards.

A host whose clock runs ahead leaves schedules that are due when that time has come: one that is far ahead queues none,
and `bring_back` mends what was left.

An operator may rename, reschedule or double one in the admin, so a schedule is known by its function.
"""

import logging
import time
from typing import Any

import django.apps
from django.core.exceptions import MultipleObjectsReturned
from django.db import connection, connections, router

from resilience import clocks

logger = logging.getLogger(__name__)

MOST_SECONDS_AHEAD = 24 * 3600.0


def ensure_schedule(func: str, name: str, minutes: int, using: str = "default", apps: Any = None) -> None:
    """Have a schedule that runs `func` (a dotted name) every `minutes`; one that exists stays as its operator left it.

    For receivers of post_migrate, which pass `using` and `apps`, the models after the migrations (a `flush` sends none:
    then today's). Without django-q2's table, as after a partial migrate, there is nothing to do.
    """
    try:
        schedule = (apps or django.apps.apps).get_model("django_q", "Schedule")
    except LookupError:
        return
    table = schedule._meta.db_table
    if not router.allow_migrate_model(using, schedule) or table not in connections[using].introspection.table_names():
        return
    values = {"name": name, "schedule_type": "I", "minutes": minutes}
    try:
        schedule.objects.using(using).get_or_create(func=func, defaults=values)
    except MultipleObjectsReturned:
        return  # the operator wants it more often


def bring_back() -> int:
    """Make due the schedules that are set to later than their interval and a day from now; how many.

    By the database's clock. So an operator may put one off until tomorrow; a pause is `repeats` 0. Raises django.db
    errors.
    """
    table = django.apps.apps.get_model("django_q", "Schedule")._meta.db_table
    with connection.cursor() as cursor:
        cursor.execute(
            f"UPDATE {table} SET next_run = now() WHERE schedule_type = 'I' AND repeats <> 0"
            " AND next_run > now() + make_interval(days => 1, mins => minutes)"
        )
        return int(cursor.rowcount)


def may_queue() -> bool:
    """Whether this host may queue scheduled tasks: not when its clock is a day ahead, then others must.

    Such a host would add up the interval of each schedule until it comes to its own day, with all schedules locked, and
    would put them off until then. Raises django.db errors.
    """
    ahead = time.time() - clocks.database_now().timestamp()
    if ahead > MOST_SECONDS_AHEAD:
        logger.warning("the clock of this host is %.1f days ahead: it queues no scheduled task", ahead / 86400)
        return False
    return True
