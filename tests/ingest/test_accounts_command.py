"""`manage.py accounts`: sums per feed, and an exit code that can be trusted."""

import io
import json

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from tests.ingest.test_accounts import WHOLE, book

pytestmark = pytest.mark.django_db


def accounts(*args):
    out = io.StringIO()
    call_command("accounts", *args, stdout=out)
    return out.getvalue()


def test_each_feed_has_its_sums():
    book(**WHOLE)
    book(**WHOLE | {"source": "other"})
    book(**WHOLE)
    said = json.loads(accounts("--json"))
    assert (said["test"]["messages"], said["other"]["messages"]) == (16, 8)
    assert "test" in accounts()


def test_a_feed_and_a_day_can_be_chosen():
    book(**WHOLE)
    today = timezone.now().date().isoformat()
    assert json.loads(accounts("--json", "--source", "test", "--day", today))["test"]["lines"] == 12
    assert json.loads(accounts("--json", "--day", "2020-01-01")) == {}


def test_accounts_that_do_not_add_up_fail():
    book(**WHOLE | {"foreign": 3})
    with pytest.raises(CommandError, match="test: lines = foreign"):
        accounts()


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["--source", "nobody"], "no batch of 'nobody'"),
        (["--day", "today"], "must be a date"),
        (["--day", "2026-13-01"], "--day"),
    ],
)
def test_wrong_words_are_answered_clearly(args, said):
    with pytest.raises(CommandError, match=said):
        accounts(*args)
