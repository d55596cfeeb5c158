"""`python -m tests.siege --minutes 10 --rate 1000`: honest traffic must go on while everything hostile is sent.

Servers, programs and data are the run's own, in a temporary directory that is kept when something is wrong. The last
line is `honest N stored N late N; attacks N refused N parked N; open breakers N`; the exit code is 0 only if no honest
message was lost or doubled, 95 % of them were stored within 5 s, pages answered within 2 s, memory stayed bounded and
no breaker was open at the end without anybody having acted.
"""

from __future__ import annotations

import argparse
import shutil
import signal
import sys
import tempfile
from pathlib import Path

from tests.chaos.__main__ import _configure
from tests.chaos.outage import between
from tests.faults.servers import NO_PGBOUNCER, Servers
from tracking.embedded import paths


def main(arguments: list[str]) -> int:
    """Run once; the exit code."""
    options = _options(arguments)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # so that all that was started ends
    directory = Path(tempfile.mkdtemp(prefix="tracking-siege-"))
    if paths.is_root():
        directory.chmod(0o711)  # PostgreSQL runs as another user below it
    sys.stdout.write(f"until the end everything is in {directory}\n")
    with Servers(directory / "run") as servers:
        _configure(servers.environment(False))
        from tests.siege.run import SiegePlan, run  # needs Django's settings

        pooled = servers.has_pgbouncer() and not options.direct
        if not pooled:
            sys.stdout.write(f"without a pooler: {'by --direct' if options.direct else NO_PGBOUNCER}\n")
        found = run(servers, SiegePlan(options.minutes * 60, options.rate, pooled))
    if found.complaints:
        sys.stdout.write("".join(f"WRONG: {complaint}\n" for complaint in found.complaints))
        sys.stdout.write(f"all logs are kept in {directory / 'run'}\n")
    else:
        shutil.rmtree(directory)
    sys.stdout.write(f"{found.last_line()}\n")
    return 1 if found.complaints else 0


def _options(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.siege", description="Attack everything, hold up nobody.")
    parser.add_argument("--minutes", type=between(0.05, 120), default=10, help="of attacks (default 10)")
    parser.add_argument("--rate", type=between(40, 5_000), default=1000, help="honest messages a second (default 1000)")
    parser.add_argument("--direct", action="store_true", help="without PgBouncer between programs and PostgreSQL")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit("stopped; what was started has ended, the logs are kept")
