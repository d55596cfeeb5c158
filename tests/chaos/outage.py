"""`python -m tests.chaos.outage --minutes 10 --rate 2000`: the database is away for long, then live state for a while.

A fleet's traffic goes on all the time. PostgreSQL is killed and comes back: how much the queue grew, what people were
told meanwhile, when the breaker closed, how fast the backlog went. Then live Redis is killed and comes back: when live
state was complete. In the end each message is accounted for. Servers, programs and data are the run's own, in a
temporary directory that is kept when something is wrong. The last line tells the figures; the exit code is 0 only if
all promises held.
"""

from __future__ import annotations

import argparse
import shutil
import signal
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from tests.chaos.__main__ import _configure
from tests.chaos.outage_fleet import least_ships
from tests.faults.servers import NO_PGBOUNCER, Servers
from tracking.embedded import paths

MOST_SHIPS = 20_000  # of the simulator


def main(arguments: list[str]) -> int:
    """Run once; the exit code."""
    options = _options(arguments)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # so that all that was started ends
    directory = Path(tempfile.mkdtemp(prefix="tracking-outage-"))
    if paths.is_root():
        directory.chmod(0o711)  # PostgreSQL runs as another user below it
    sys.stdout.write(f"until the end everything is in {directory}\n")
    with Servers(directory / "run") as servers:
        _configure(servers.environment(False))
        from tests.chaos.outage_run import Plan, run  # needs Django's settings

        pooled = servers.has_pgbouncer() and not options.direct
        if not pooled:
            sys.stdout.write(f"without a pooler: {'by --direct' if options.direct else NO_PGBOUNCER}\n")
        plan = Plan(options.minutes * 60, options.rate, int(options.ships), options.live_seconds, pooled)
        figures = run(servers, plan)
    if figures.complaints:
        sys.stdout.write("".join(f"WRONG: {complaint}\n" for complaint in figures.complaints))
        sys.stdout.write(f"all logs are kept in {directory / 'run'}\n")
    else:
        shutil.rmtree(directory)
    sys.stdout.write(f"{figures.last_line()}\n")
    return 1 if figures.complaints else 0


def _options(arguments: list[str]) -> argparse.Namespace:
    """The options; ends the program with code 2 where they are wrong or contradict each other."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos.outage", description="A long outage under traffic.")
    parser.add_argument("--minutes", type=between(0.05, 120), default=10, help="without PostgreSQL (default 10)")
    parser.add_argument("--rate", type=between(10, 10_000), default=2000, help="messages a second (default 2000)")
    parser.add_argument("--ships", type=between(60, MOST_SHIPS), default=18_000, help="in the fleet (default 18000)")
    parser.add_argument("--live-seconds", type=between(1, 600), default=30, help="without live Redis (default 30)")
    parser.add_argument("--direct", action="store_true", help="without PgBouncer between programs and PostgreSQL")
    options = parser.parse_args(arguments)
    if options.ships < least_ships(options.rate):
        parser.error(f"--rate {options.rate:g} needs --ships {least_ships(options.rate)} or more")
    return options


def between(least: float, most: float) -> Callable[[str], float]:
    """A number for argparse, both ends allowed."""

    def number(text: str) -> float:
        value = float(text)
        if not least <= value <= most:
            raise argparse.ArgumentTypeError(f"{least:g} to {most:g}")
        return value

    return number


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit("stopped; what was started has ended, the logs are kept")
