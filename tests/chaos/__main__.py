"""`python -m tests.chaos --seed n --messages m`: kill and freeze everything under traffic, then count every message.

Servers, programs and data are the run's own, in a temporary directory that is kept when something is wrong. The last
line is `accepted N stored N dead N waiting N lost N duplicated N`; the exit code is 0 only if nothing is lost,
duplicated or waiting and no other promise was broken: accounts that add up, live state that is complete, a breaker that
closes within its reset time and 2 s of the database's return, a pooler that never ended by itself.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import signal
import sys
import tempfile
from pathlib import Path

from tests.faults.servers import NO_PGBOUNCER, Servers
from tracking.embedded import paths

QUICK_SCALE = 0.2
QUICK = {"CHAOS_TASK_SECONDS": "8", "DATABASE_DEADLINE_SECONDS": "5"}


def main(arguments: list[str]) -> int:
    """Run once; the exit code."""
    options = _parser().parse_args(arguments)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # so that all that was started ends
    directory = Path(tempfile.mkdtemp(prefix="tracking-chaos-"))
    if paths.is_root():
        directory.chmod(0o711)  # PostgreSQL runs as another user below it
    sys.stdout.write(f"seed {options.seed}; until the end everything is in {directory}\n")
    with Servers(directory / "run") as servers:
        environment = {"DJANGO_SETTINGS_MODULE": "tests.chaos.settings", **(QUICK if options.quick else {})}
        _configure(servers.environment(False, **environment))
        from tests.chaos.run import run  # needs Django's settings

        pooled = servers.has_pgbouncer() and not options.direct
        if not pooled:
            sys.stdout.write(f"without a pooler: {'by --direct' if options.direct else NO_PGBOUNCER}\n")
        scale = QUICK_SCALE if options.quick else 1.0
        reckoning = run(servers, random.Random(options.seed), options.messages, scale, pooled, environment)
    if reckoning.complaints:
        sys.stdout.write("".join(f"WRONG: {complaint}\n" for complaint in reckoning.complaints))
        sys.stdout.write(f"seed {options.seed}; all logs are kept in {directory / 'run'}\n")
    else:
        shutil.rmtree(directory)
    sys.stdout.write(f"{reckoning.last_line()}\n")
    return 1 if reckoning.complaints else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description="Kill everything, lose nothing.")
    parser.add_argument("--seed", type=int, default=1, help="shuffles the faults (default 1)")
    parser.add_argument("--messages", type=_messages, default=50_000, help="how many are sent (default 50000)")
    parser.add_argument("--quick", action="store_true", help=f"fewer faults, each {QUICK_SCALE} of its time")
    parser.add_argument("--direct", action="store_true", help="without PgBouncer between programs and PostgreSQL")
    return parser


def _messages(text: str) -> int:
    number = int(text)
    if not 100 <= number <= 500_000:
        raise argparse.ArgumentTypeError("100 to 500000 messages")
    return number


def _configure(environment: dict[str, str]) -> None:
    """Have Django in this process use the servers, past the pooler."""
    import django

    for name in environment:
        os.environ.pop(f"{name}_FILE", None)
    os.environ.update(environment | {"LOG_LEVEL": "ERROR"})
    django.setup()


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit("stopped; what was started has ended, the logs are kept")
