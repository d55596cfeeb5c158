"""Health checks of the long-running commands: whether somebody works on this host."""

import pytest
from django.core.management import CommandError, call_command
from django_redis import get_redis_connection

from ingest.feeds import runner


def test_without_workers_the_check_fails() -> None:
    get_redis_connection("queue").flushdb()
    get_redis_connection("live").flushdb()
    with pytest.raises(CommandError, match="no workers of this host"):
        call_command("workers", "--check")


def test_a_runner_of_feeds_says_that_it_is_there(capsys: pytest.CaptureFixture[str]) -> None:
    get_redis_connection("queue").flushdb()
    with pytest.raises(CommandError, match="nobody runs the feeds"):
        call_command("ingest", "--check")
    runner._say_alive()
    call_command("ingest", "--check")
    assert "are being run" in capsys.readouterr().out
