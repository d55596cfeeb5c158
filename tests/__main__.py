"""`python -m tests [pytest arguments]`: all tests, small ones first, then those that start whole systems.

Many wait for something most of the time, so three run at once on two cores; of whole systems two.

Leaves one closing line with the sums, pytest's own reports of what failed or was skipped before it, and no embedded
server running that did not run before. Exit code 0 only if something passed and nothing failed.
"""

import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from xml.etree import ElementTree

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")

PHASES = (["-n", "3", "-m", "not system"], ["-n", "2", "--dist", "loadfile", "-m", "system"])
NOTHING_COLLECTED = 5


def main(arguments: list[str]) -> int:
    """Run both phases and print the sums; the exit code."""
    from django.conf import settings

    from tracking import embedded

    before = _running(settings.DATA_DIR)
    started, counts, codes = time.monotonic(), Counter[str](), set[int]()
    try:
        for phase in PHASES:
            code, counted = _run([*phase, *arguments])
            codes.add(code)
            counts += counted
    finally:
        for data_dir, name in _running(settings.DATA_DIR) - before:
            embedded.stop(data_dir, [name])
    good = codes <= {0, NOTHING_COLLECTED} and counts["passed"] > 0
    seconds = time.monotonic() - started
    line = f"{counts['passed']} passed, {counts['failed']} failed, {counts['skipped']} skipped"
    sys.stdout.write(f"in {seconds:.0f} s:\n{line}\n")
    return 0 if good else 1


def _running(data_dir: Path) -> set[tuple[Path, str]]:
    """The embedded servers that run for the tests: data directory and name, pytest-xdist's workers included."""
    from tracking import embedded

    directories = [data_dir, *data_dir.glob("gw*")]
    return {(found, status.name) for found in directories for status in embedded.status(found) if status.pid}


def _run(arguments: list[str]) -> tuple[int, Counter[str]]:
    """One pytest: its exit code and its counts, from its report for machines."""
    with tempfile.TemporaryDirectory() as directory:
        report = Path(directory) / "report.xml"
        command = [sys.executable, "-m", "pytest", "-q", "--no-header", f"--junitxml={report}", *arguments]
        code = subprocess.run(command, check=False).returncode
        return code, _counts(report) if report.exists() else Counter()


def _counts(report: Path) -> Counter[str]:
    suites = ElementTree.parse(report).getroot().iter("testsuite")
    sums = Counter[str]()
    for suite in suites:
        number = {name: int(suite.get(name, "0")) for name in ("tests", "failures", "errors", "skipped")}
        sums["failed"] += number["failures"] + number["errors"]
        sums["skipped"] += number["skipped"]
        sums["passed"] += max(0, number["tests"] - number["failures"] - number["errors"] - number["skipped"])
    return sums


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
