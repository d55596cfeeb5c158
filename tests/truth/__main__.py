"""`python -m tests.truth --seed n`: put faults into a simulated sea, judge it by the rule, and count what was caught.

Prints for each fault how many reports were injected, caught (refused, or mended where a clock was wrong), and what
became of the true reports of the same ships. Exit code 0 only if every promise holds.
"""

from __future__ import annotations

import argparse
import os
import sys
import time


def main(arguments: list[str]) -> int:
    """Run once; the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.truth", description="Faults in, verdicts out.")
    parser.add_argument("--seed", type=int, default=1, help="of the fleet and of the faults (default 1)")
    parser.add_argument("--minutes", type=int, default=20, help="of the simulated time (default 20)")
    options = parser.parse_args(arguments)
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")
    import django

    django.setup()
    from tests.truth.faults import Sea
    from tests.truth.pure import judged, reports
    from tests.truth.scores import complaints, scores

    heard = Sea(options.seed, options.minutes).heard()
    found = reports(heard)
    started = time.process_time()
    places = judged(found)
    spent = time.process_time() - started
    result = scores(heard, places)
    sys.stdout.write(f"seed {options.seed}: {len(heard)} lines, {len(found)} positions\n")
    sys.stdout.write(f"{'fault':14}{'injected':>10}{'caught':>9}{'true':>8}{'refused':>9}{'missing':>9}\n")
    for group, score in result.items():
        sys.stdout.write(
            f"{group:14}{score.wrong:10}{score.caught:9}{score.right:8}{score.refused:9}{score.missing:9}\n"
        )
    sys.stdout.write(f"the rule took {spent / max(1, len(found)) * 1e6:.1f} us a position\n")
    wrong = complaints(result)
    sys.stdout.write("".join(f"WRONG: {complaint}\n" for complaint in wrong))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
