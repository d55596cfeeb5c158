"""`manage.py workers`: run the queue's workers until SIGTERM or SIGINT.

The same as django-q2's `qcluster`, with the sentinel that survives killed children. It does not start web or feeds.
"""

import socket
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django_q.cluster import Cluster
from django_q.status import Stat
from redis import RedisError

from resilience.queue import sentinel
from resilience.queue.broker import StreamsBroker


class Command(BaseCommand):
    """Ends with 0 after SIGTERM or SIGINT, the tasks in hand done, and with 1 when the pool could not be kept up."""

    help = "Run the workers that take batches and scheduled tasks from the queue."
    requires_system_checks = []  # they would import every view; `manage.py check` is for that

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--check", action="store_true", help="run nothing: exit 0 if the workers of this host are alive, else 1"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Start the cluster and wait for its end. Raises CommandError when it ends otherwise than by a signal."""
        if options["check"]:
            self._check()
            return
        try:
            StreamsBroker().ping()  # the sentinel would say it with tracebacks
            sentinel.install()
            cluster = Cluster()
            cluster.start()
        except (RuntimeError, RedisError) as error:
            raise CommandError(f"{error} Does the queue's Redis answer? See QUEUE_REDIS_URL.") from error
        while cluster.sentinel.is_alive():
            cluster.sentinel.join(1.0)  # with a time-out: a signal handler may wait for the same process
        if cluster.sentinel.exitcode:
            raise CommandError(f"the workers' sentinel ended with exit code {cluster.sentinel.exitcode}")

    def _check(self) -> None:
        """A sentinel says every half second that it lives, which is forgotten after 3 s. Raises CommandError."""
        alive = [stat for stat in Stat.get_all(StreamsBroker()) if stat.host == socket.gethostname()]
        if not alive:
            raise CommandError("no workers of this host are alive")
        self.stdout.write(f"{sum(len(stat.workers) for stat in alive)} workers of this host are alive")
