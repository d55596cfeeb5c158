"""The Makefile and .ci/run: what they run, and a real installation of a project with no requirements."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[2]
TARGETS = (
    "install",
    "lock",
    "run",
    "test",
    "quick",
    "lint",
    "bench",
    "chaos",
    "outage",
    "siege",
    "truth",
    "fuzz",
    "pictures",
    "clean",
)

pytestmark = pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")


def make(directory: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = ["make", f"--directory={directory}", "--no-print-directory", *arguments]
    return subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120, check=False)


def commands(target: str, *arguments: str) -> str:
    """What the target would run in this project."""
    result = make(PROJECT, "--dry-run", target, *arguments)
    assert result.returncode == 0, result.stderr
    return result.stdout


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project with this Makefile that requires nothing."""
    shutil.copy(PROJECT / "Makefile", tmp_path)
    (tmp_path / "requirements.txt").write_text("# nothing\n")
    (tmp_path / ".locks").mkdir()
    (tmp_path / ".locks/all.txt").write_text("# nothing\n")
    return tmp_path


def test_install_builds_the_environment_once_and_again_when_the_requirements_change(project: Path) -> None:
    first = make(project, "install", f"PYTHON={sys.executable}")
    assert (first.returncode, first.stdout) == (0, ""), first.stderr
    stamp = project / ".venv/installed"
    before = stamp.stat().st_mtime_ns
    make(project, "install", "PYTHON=/nowhere/python")
    assert stamp.stat().st_mtime_ns == before
    (project / ".locks/all.txt").write_text("no-such-package-anywhere @ file:///nowhere\n")
    assert make(project, "install", f"PYTHON={sys.executable}").returncode != 0
    assert stamp.stat().st_mtime_ns == before, "a failed installation is tried again next time"


def test_an_old_python_is_refused_by_name(project: Path) -> None:
    old = project / "old-python"
    old.write_text(f'#!/bin/sh\nexec {sys.executable} -c "import sys; sys.version_info = (3, 9); $2"\n')
    old.chmod(0o755)
    result = make(project, "install", f"PYTHON={old}")
    assert result.returncode != 0
    assert "Python 3.11 or later is needed" in result.stderr


def test_run_starts_up_and_passes_arguments_on() -> None:
    assert commands("run", "ARGS=--port 9000").rstrip().endswith("manage.py up --port 9000")


def test_test_runs_all_tests_and_bench_takes_a_name() -> None:
    assert commands("test").rstrip().endswith("python -m tests")
    assert commands("bench", "BENCH=upsert").rstrip().endswith("python -m tests.benchmarks upsert")


def test_lint_checks_style_format_and_types() -> None:
    lint = commands("lint")
    assert all(tool in lint for tool in ("ruff check", "ruff format --check", "mypy"))


def test_clean_never_touches_the_data(project: Path) -> None:
    kept = project / ".data/postgres/__pycache__"
    kept.mkdir(parents=True)
    for name in ("manage.py", "tracking/__pycache__", "ingest", "resilience", "tests"):
        (project / name).mkdir(parents=True)
    assert make(project, "clean").returncode == 0
    assert kept.exists()
    assert not (project / "tracking/__pycache__").exists()


def test_every_target_is_documented_and_the_default_is_the_list() -> None:
    listed = re.findall(r"^  make (\w+)", make(PROJECT).stdout, re.MULTILINE)
    assert set(listed) == {*TARGETS, "help"}


def test_continuous_integration_is_lint_and_tests_without_input() -> None:
    script = PROJECT / ".ci/run"
    assert subprocess.run(["bash", "-n", script], check=False).returncode == 0
    text = script.read_text()
    assert "set -euo pipefail" in text
    assert text.rstrip().endswith("make lint test </dev/null")
