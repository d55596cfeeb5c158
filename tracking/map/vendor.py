"""What was brought in from elsewhere for the map: which release, under which licence, and that nobody changed it.

`vendor.lock` beside this module is the list; `python -m tracking.map.vendor` checks the files against it. A release is
updated by hand: its files are replaced without their lines that name source maps, and the lock is written anew with
`python -m tracking.map.vendor --write`.
"""

from __future__ import annotations

import json
import sys
from hashlib import sha256
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]
LOCK = Path(__file__).with_name("vendor.lock")


def complaints() -> list[str]:
    """What differs from the lock: files that are missing, changed, or not in it."""
    lock = json.loads(LOCK.read_text())
    found: list[str] = []
    listed: set[Path] = set()
    for package in lock["packages"]:
        for name, digest in package["files"].items():
            path = PROJECT / package["directory"] / name
            listed.add(path)
            if not path.exists():
                found.append(f"{path} is missing")
            elif sha256(path.read_bytes()).hexdigest() != digest:
                found.append(f"{path} is not what {package['name']} {package['version']} shipped")
    directories = {PROJECT / package["directory"] for package in lock["packages"] if package["all"]}
    present = {path for directory in directories for path in directory.rglob("*") if path.is_file()}
    return found + [f"{path} is in no package of the lock" for path in sorted(present - listed)]


def write() -> None:
    """Write the digests of the files as they are."""
    lock = json.loads(LOCK.read_text())
    for package in lock["packages"]:
        directory = PROJECT / package["directory"]
        names = sorted(path.name for path in directory.iterdir()) if package["all"] else list(package["files"])
        package["files"] = {name: sha256((directory / name).read_bytes()).hexdigest() for name in names}
    LOCK.write_text(json.dumps(lock, indent=1) + "\n")


def main(arguments: list[str]) -> int:
    """Check, or write; the exit code."""
    if arguments == ["--write"]:
        write()
    found = complaints()
    sys.stdout.writelines(f"{line}\n" for line in found)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
