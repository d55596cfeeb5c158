"""`python -m tests.benchmarks [--quick] [--json FILE] [NAME …]`: measure on servers of its own, and show a table.

Without names all benchmarks run, one after the other. Exit code 1 when one failed or did not verify its work, 2 for an
unknown name; a missed target is shown as `below` (`above` where it is a limit) and is no failure.
"""

from __future__ import annotations

import argparse
import importlib
import json
import logging
import os
import signal
import sys
from pathlib import Path

from tests.benchmarks.servers import own_servers

# The benchmarks in the order in which they run, and the module of each.
MODULES = {
    "decode": "decode",
    "upsert": "upsert",
    "redelivery": "redelivery",
    "live_write": "live",
    "live_read": "live",
    "live_memory": "live",
    "live_api": "live_api",
    "streams": "streams",
    "map": "streams",
    "track": "history",
    "big_day": "history",
    "lists": "lists",
    "archive": "archive",
    "truth": "truth",
    "load": "load",
    "pipeline": "pipeline",
    "backfill": "backfill",
    "worker_memory": "worker_memory",
    "peer_node": "peer_node",
}


def main(arguments: list[str]) -> int:
    """Run the named benchmarks; the exit code."""
    parser = _parser()
    options = parser.parse_args(arguments)
    unknown = sorted(set(options.names) - set(MODULES))
    if unknown:
        parser.error(f"no benchmark {', '.join(unknown)}: there are {', '.join(MODULES)}")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # so that the servers end too
    with own_servers():
        os.environ["DJANGO_SETTINGS_MODULE"] = "tracking.settings"
        return _measure(options)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description="Measure the parts of the project.")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"what to measure: {', '.join(MODULES)}; default: all")
    parser.add_argument("--quick", action="store_true", help="3 rounds instead of 5, to see that it works")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write machine, figures and all samples to FILE")
    return parser


def _measure(options: argparse.Namespace) -> int:
    """Everything that needs the settings: set up Django on our servers, run, show."""
    import django

    from resilience import garbage
    from tests.benchmarks import frame, machine

    django.setup()
    logging.getLogger().setLevel(logging.WARNING)
    load()
    garbage.collect_seldom()  # as workers do
    chosen = [frame.REGISTRY[name] for name in options.names or MODULES]
    run = frame.Run(frame.QUICK_ROUNDS if options.quick else frame.ROUNDS, options.quick)
    measured_on = machine.describe()
    sys.stdout.write(
        f"{machine.line(measured_on)}\nmedians of {run.rounds} rounds after a warm-up, with their spread\n"
    )
    outcomes = frame.execute(chosen, run, _announce)
    sys.stdout.write(f"\n{frame.table(outcomes)}\n")
    if options.json:
        options.json.write_text(json.dumps(frame.as_json(outcomes, measured_on, run), indent=2) + "\n")
    return 0 if frame.succeeded(outcomes) else 1


def load() -> None:
    """Import the benchmarks, which registers them. Needs Django to be set up."""
    for module in dict.fromkeys(MODULES.values()):
        importlib.import_module(f"tests.benchmarks.{module}")


def _announce(name: str) -> None:
    sys.stderr.write(f"measuring {name} …\n")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
