"""`manage.py registry FILE…`: registers of aircraft into the table that cards, lists and the API show.

Enters files; leaves their rows, those of a register replaced as a whole, and a line for each file. The work is in
`tracking/registry/`.
"""

from __future__ import annotations

import json
import re
import sys
import time
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

import msgspec
from django.core.management.base import BaseCommand, CommandError
from tqdm import tqdm

from tracking.registry import reading, storing

_PLAIN_SECONDS = 5.0  # between two lines of progress where there is no terminal


class Command(BaseCommand):
    """Import registers."""

    help = (
        "Import registers of aircraft: OpenSky's aircraft database, tar1090-db's CSV, Mictronics' JSON, or any "
        "CSV with --columns; plain or .gz. The same register again replaces its rows."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Labels default to the names of the files."""
        parser.add_argument("files", nargs="+", metavar="FILE", type=Path, help="registers, the most trusted last")
        parser.add_argument("--source", help="label of the register whose rows are replaced (default: the file's name)")
        parser.add_argument("--columns", metavar="FIELD=COLUMN,…", help="icao=hex,registration=tail,type=t,operator=o")
        parser.add_argument("--json", action="store_true", help="print an object a file")

    def handle(self, *args: Any, **options: Any) -> None:
        """Import one file after the other. Raises CommandError; files before the one at fault stay imported."""
        if options["source"] and len(options["files"]) > 1:
            raise CommandError("--source names one register: give one file.")
        try:
            columns = reading.parse_columns(options["columns"]) if options["columns"] else None
        except reading.RegisterUnreadable as error:
            raise CommandError(f"--columns: {error}") from error
        for path in options["files"]:
            self._import(path, label_of(options["source"] or path.name), columns, options["json"])

    def _import(self, path: Path, source: str, columns: dict[str, str] | None, as_json: bool) -> None:
        began = time.monotonic()
        try:
            with _ImportProgress(path) as progress:
                done = storing.replace(source, reading.rows(path, columns), progress.tell)
        except (OSError, reading.RegisterUnreadable) as error:
            raise CommandError(f"{path}: {error}") from error
        except storing.NothingUsable as error:
            raise CommandError(f"{path}: no row of it is an aircraft; what the register had stays.") from error
        seconds = time.monotonic() - began
        if as_json:
            self.stdout.write(json.dumps({"source": source, "seconds": round(seconds, 2)} | msgspec.to_builtins(done)))
            return
        bad = ", ".join(f"{reason} {count:,}" for reason, count in sorted(done.bad.items())) or "none"
        self.stdout.write(
            f"{source}: {done.stored:,} aircraft, {done.before:,} before; {done.read:,} rows in {seconds:.1f} s; "
            f"left out: {bad}"
        )


def label_of(name: str) -> str:
    """A label of at most 32 letters, digits, dots and dashes; the endings of files go."""
    stem = re.sub(r"(\.(csv|json|txt|gz))+$", "", name, flags=re.IGNORECASE)
    return re.sub(r"[^A-Za-z0-9._-]+", "-", stem).strip("-")[:32] or "register"


class _ImportProgress:
    """A bar on a terminal, a line every few seconds elsewhere."""

    def __init__(self, path: Path) -> None:
        self._path, self._told_at = path, time.monotonic()
        self._bar = tqdm(desc=path.name, unit=" rows", unit_scale=True, disable=not sys.stderr.isatty())

    def __enter__(self) -> _ImportProgress:
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.close()

    def tell(self, rows: int, size: int) -> None:
        self._bar.update(rows - self._bar.n)
        if self._bar.disable and time.monotonic() - self._told_at >= _PLAIN_SECONDS:
            self._told_at = time.monotonic()
            sys.stderr.write(f"{self._path.name}: {rows:,} rows, {size / 1e6:,.0f} MB\n")
