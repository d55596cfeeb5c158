"""`python -m tests.fuzz --lines 1000000 --seed 7 [--format sbs]`: no line may raise, take long or leave memory behind.

Each format runs in a process of its own. The exit code is 0 only if no format raised anything but its documented
refusals, no line took 50 ms of CPU, and memory grew by less than 20 MB after the first tenth.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import secrets
import sys

import tqdm

SLOW_SECONDS = 0.05
GROWN_BYTES = 20_000_000


def main(arguments: list[str]) -> int:
    """Run all formats, or one; the exit code."""
    options = _options(arguments)
    import django

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")
    django.setup()
    from tests.fuzz.examples import EXAMPLES

    wrong = 0
    for kind in [options.format] if options.format else list(map(str, EXAMPLES)):
        with multiprocessing.get_context("fork").Pool(1) as pool:
            wrong += pool.apply(_run, (kind, options.lines, options.seed))
    return 1 if wrong else 0


def _options(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description="Mutate every format.")
    parser.add_argument("--lines", type=int, default=1_000_000, help="of each format (default 1000000)")
    parser.add_argument("--seed", type=int, default=secrets.randbelow(10**6), help="default: a fresh one")
    parser.add_argument("--format", help="one only")
    return parser.parse_args(arguments)


def _run(kind: str, lines: int, seed: int) -> int:
    """One format: print what it showed; 1 if that is wrong."""
    import logging

    logging.disable(logging.CRITICAL)  # what is logged of lines is another matter, and there are very many
    from tests.fuzz.feeding import CHUNK_LINES, run

    with tqdm.tqdm(total=lines, desc=kind, unit="line", disable=not sys.stderr.isatty(), leave=False) as bar:
        found = run(kind, lines, seed, lambda done: bar.update(CHUNK_LINES) and None)
    sys.stdout.write(
        f"{kind}: seed {seed}, {found.lines:,} lines, {found.messages:,} messages, {found.reports:,} reports, "
        f"{found.rejected.total():,} rejected, {found.failures} exceptions, slowest line "
        f"{found.slowest_seconds * 1000:.1f} ms, +{found.grown_bytes / 1e6:.1f} MB\n"
    )
    sys.stdout.write("".join(f"{sample}\n" for sample in found.samples))
    is_slow = found.slowest_seconds > SLOW_SECONDS
    if is_slow:
        sys.stdout.write(f"slow: {found.slowest_line[:300]!r}\n")
    sys.stdout.flush()
    return int(found.failures > 0 or is_slow or found.grown_bytes > GROWN_BYTES)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
