"""The schedule of the retries, which appears with the migrations and then belongs to the operator."""

import pytest
from django.apps import apps
from django.apps.registry import Apps
from django.conf import settings
from django.core.management import call_command
from django.db import connection, transaction
from django.utils.module_loading import import_string
from django_q.models import Schedule

from resilience.apps import schedule_retries

CONFIG = apps.get_app_config("resilience")
FUNC = "resilience.tasks.retry_dead_letters"


@pytest.mark.django_db
def test_after_the_migrations_dead_letters_are_retried_every_five_minutes() -> None:
    schedule = Schedule.objects.get(name="Retry dead letters")
    assert (schedule.func, schedule.schedule_type, schedule.minutes, schedule.repeats) == (FUNC, "I", 5, -1)


def test_the_scheduled_task_exists_and_the_queue_takes_it() -> None:
    assert callable(import_string(FUNC))
    assert FUNC in settings.QUEUE_ALLOWED_TASKS


@pytest.mark.django_db
def test_a_second_migrate_adds_no_second_schedule() -> None:
    call_command("migrate", verbosity=0)
    assert Schedule.objects.filter(func=FUNC).count() == 1


@pytest.mark.django_db
def test_what_the_operator_changed_survives_a_migrate() -> None:
    Schedule.objects.filter(func=FUNC).update(name="Every quarter", minutes=15, repeats=0)
    call_command("migrate", verbosity=0)
    schedule = Schedule.objects.get(func=FUNC)
    assert (schedule.name, schedule.minutes, schedule.repeats) == ("Every quarter", 15, 0)


@pytest.mark.django_db
def test_two_schedules_of_an_operator_do_not_break_a_migrate() -> None:
    Schedule.objects.create(func=FUNC, name="Retry dead letters")
    call_command("migrate", verbosity=0)
    assert Schedule.objects.filter(func=FUNC).count() == 2


@pytest.mark.django_db(transaction=True)
def test_a_flush_which_sends_no_apps_restores_the_schedule() -> None:
    call_command("flush", interactive=False, verbosity=0)
    assert Schedule.objects.filter(func=FUNC).count() == 1


@pytest.mark.django_db
def test_before_django_q_is_migrated_nothing_happens() -> None:
    Schedule.objects.all().delete()
    schedule_retries(CONFIG, apps=Apps())
    assert not Schedule.objects.exists()


@pytest.mark.django_db
def test_without_its_table_nothing_happens() -> None:
    """As after `migrate django_q zero`, when the signal of another app still sends today's models."""
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("DROP TABLE django_q_schedule CASCADE")
        schedule_retries(CONFIG)
        transaction.set_rollback(True)
