"""The handbook says what the code does, is readable without a network, and leads nowhere wrong; so does the README."""

import argparse
import ast
import re
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.management import get_commands, load_command_class
from django.test import Client
from django.urls import resolve, reverse

from ingest import sources
from ingest.formats.registry import FORMATS
from ingest.stages import work
from resilience.database.sqlstate import Verdict
from resilience.models import DeadLetter
from tests.faults.test_matrix import MATRIX
from tests.pictures.__main__ import MAX_BYTES, PICTURES, TAKEN
from tracking.api.urls import Unknown
from tracking.handbook import pages

PROJECT = Path(__file__).resolve().parents[3]
README = (PROJECT / "README.md").read_text()
TEXTS = {name: (pages.DIRECTORY / f"{name}.md").read_text() for name in pages.PAGES}
EVERYWHERE = {"README": README, **TEXTS}
LINK = re.compile(r"\]\(([^)\s]+)\)")


def cells(text: str) -> list[list[str]]:
    """The rows of all tables, without headings' rules."""
    rows = re.findall(r"^\| (.+) \|$", text, re.M)
    return [[cell.strip() for cell in row.split(" | ")] for row in rows]


# --- pages and links --------------------------------------------------------------------------------------------------


def test_every_file_is_a_page_and_every_page_is_linked_from_the_index() -> None:
    assert {path.stem for path in pages.DIRECTORY.glob("*.md")} == set(pages.PAGES)
    linked = {target.removesuffix(".md") for target in LINK.findall(TEXTS["index"])}
    assert linked == set(pages.PAGES) - {"index"}


@pytest.mark.parametrize("name", pages.PAGES)
def test_every_page_has_its_title_and_leads_to_pages_and_anchors_that_exist(name: str) -> None:
    rendered = pages.page(name)
    assert rendered.body.startswith("<h1 id=")
    for target in re.findall(r'(?:href|src)="([^"]+)"', rendered.body):
        assert target.startswith(("/handbook/", "/static/", "#")), "no page loads or leads to anything else"
    for target in LINK.findall(TEXTS[name]):
        file, _, anchor = target.partition("#")
        assert (pages.DIRECTORY / file).exists(), "where the files are read, the link leads somewhere too"
        if anchor:
            assert f'id="{anchor}"' in pages.page(file.removesuffix(".md")).body


def test_the_front_page_is_short_and_leads_to_files_that_exist() -> None:
    assert len(README.splitlines()) <= 150
    targets = [target for target in LINK.findall(README) if not target.startswith("http")]
    assert len(targets) > 5
    assert [target for target in targets if not (PROJECT / target).exists()] == []


def test_pictures_are_small_and_all_of_those_that_are_shown() -> None:
    shown = set(re.findall(r"static/handbook/([\w-]+)\.png", "\n".join(EVERYWHERE.values())))
    assert shown == {picture.name for picture in TAKEN} == {path.stem for path in PICTURES.glob("*.png")}
    assert [path.name for path in PICTURES.iterdir() if path.stat().st_size >= MAX_BYTES] == []


def test_html_in_a_page_would_be_text(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "index.md").write_text("# T\n\n<script>alert(1)</script> [x](javascript:alert(1))\n")
    monkeypatch.setattr(pages, "DIRECTORY", tmp_path)
    body = pages.page.__wrapped__("index").body
    assert "<script" not in body
    assert "href" not in body


# --- what pages say ---------------------------------------------------------------------------------------------------


def _read_by_settings() -> dict[str, Any]:
    """The variables that settings.py reads, with their defaults where these are literals, else None."""
    read: dict[str, Any] = {}
    for node in ast.walk(ast.parse((PROJECT / "tracking/settings.py").read_text())):
        if not (isinstance(node, ast.Call) and node.args and ast.unparse(node.func).startswith("env.")):
            continue
        if isinstance(name := node.args[0], ast.Constant):
            default = next((keyword.value for keyword in node.keywords if keyword.arg == "default"), None)
            read[name.value] = default.value if isinstance(default, ast.Constant) else None
    return read


def _as_written(default: Any) -> str | None:
    """A default as the page writes it; None: in words."""
    if default is None or default == "":
        return None
    if isinstance(default, bool):
        return str(default).lower()
    return f"{default:g}" if isinstance(default, float) else str(default)


def test_settings_and_their_defaults_are_those_of_the_code() -> None:
    rows = [row for row in cells(TEXTS["settings"]) if row[0].startswith("`")]
    written = {}
    for names, default, *_ in rows:
        listed = re.findall(r"`(\w+)`", names)
        defaults = re.findall(r"`([^`]*)`", default) or [""]
        for number, name in enumerate(listed):
            written[name] = defaults[number] if len(defaults) == len(listed) else defaults[0]
    read = _read_by_settings()
    assert len(read) > 30
    assert set(written) == set(read)
    literal = {name: text for name, default in read.items() if (text := _as_written(default)) is not None}
    assert {name: written[name] for name in literal} == literal


def test_formats_and_sources_are_those_of_the_code() -> None:
    named = {name for row in cells(TEXTS["formats"]) if len(row) == 3 for name in re.findall(r"`([a-z-]+)`", row[1])}
    assert named == set(FORMATS)
    schemes = {name for row in cells(TEXTS["formats"]) for name in re.findall(r"^`([a-z+-]+)://", row[0])}
    assert schemes == {*sources._SCHEMES, "push"} - {"https", "stream+https"}


def test_modules_of_the_walk_lie_in_the_rooms_that_it_names() -> None:
    walk = cells(TEXTS["code"].partition("## One AIS line by TCP")[2])
    steps = [row for row in walk if len(row) == 3 and row[0].startswith("`")]
    assert len(steps) > 10
    for rooms, _, modules in steps:
        folders = [room.replace("…", "ingest/formats") for room in re.findall(r"`([^`]+)`", rooms)]
        for module in re.findall(r"`(\w+)`", modules):
            assert any((PROJECT / folder / f"{module}.py").exists() for folder in folders), module


def test_addresses_of_the_api_page_exist() -> None:
    paths = re.findall(r"127\.0\.0\.1:8000(/api/[\w/-]+)", TEXTS["api"])
    assert len(paths) > 10
    assert resolve("/api/nothing/").func.cls is Unknown  # type: ignore[attr-defined]
    assert [path for path in paths if resolve(path).func.cls is Unknown] == []  # type: ignore[attr-defined]


def test_failures_are_those_of_the_matrix() -> None:
    told = {f"{number} {fault}" for number, fault in re.findall(r"^(\d+)\. (.+)$", TEXTS["failures"], re.M)}
    assert told == set(MATRIX)


def test_the_glossary_is_sorted_and_explains_outcomes_verdicts_and_the_kinds_of_stages() -> None:
    terms = [row[0] for row in cells(TEXTS["glossary"])][1:]
    assert terms == sorted(terms, key=str.lower)
    text = TEXTS["glossary"].lower()
    assert [word for word in work.OUTCOMES if word not in text] == []
    assert [verdict.value for verdict in Verdict if verdict.value not in text] == []
    assert {"prepared stage", "booked stage", "derived stage"} <= set(terms)


def test_the_lifecycle_names_every_state_of_a_dead_letter() -> None:
    states = [row[0] for row in cells(TEXTS["letters"])][1:]
    assert states == list(DeadLetter.Status.values)
    picture = (PICTURES / "letters.svg").read_text()
    assert [state for state in states if f">{state}<" not in picture] == []


@pytest.mark.parametrize("name", EVERYWHERE)
def test_modules_commands_options_and_targets_that_a_page_names_exist(name: str) -> None:
    text = EVERYWHERE[name]
    for path in re.findall(r"`((?:ingest|tracking|resilience|tests)/[\w./]+)`", text):
        assert (PROJECT / path).exists(), path
    for target in re.findall(r"(?:^|`)make (\w+)", text, re.M):
        assert f"\n{target}: " in (PROJECT / "Makefile").read_text(), target
    commands = get_commands()
    for command, rest in re.findall(r"manage\.py (\w+)((?: (?!\w+`)[^`|\n#]*)?)", text):
        if not commands[command].startswith(("django", "unfold")):
            known = _options_of(commands[command], command)
            assert set(re.findall(r"--[a-z-]+", rest)) <= known, (command, rest)


def _options_of(app: str, command: str) -> set[str]:
    parser = load_command_class(app, command).create_parser("manage.py", command)
    assert isinstance(parser, argparse.ArgumentParser)
    return {option for action in parser._actions for option in action.option_strings}


# --- the page in the product ------------------------------------------------------------------------------------------


@pytest.mark.django_db
def test_staff_reads_it_under_the_strictest_policy_of_pages(client: Client) -> None:
    assert client.get(reverse("handbook")).status_code == 302
    client.force_login(User.objects.create_user("ada", is_staff=True))
    shown = client.get(reverse("handbook-page", args=["letters"]))
    assert shown.status_code == 200
    assert b"/static/handbook/letters" in shown.content
    assert b'rel="prev"' in shown.content
    assert b'rel="next"' in shown.content
    assert "unsafe" not in shown.headers["Content-Security-Policy"]
    assert not re.search(rb'(?:src|href)="(?:\w+:)?//', shown.content)
    assert client.get("/handbook/nothing/").status_code == 404


@pytest.mark.django_db
def test_it_is_linked_from_the_side_bar_of_the_admin(client: Client) -> None:
    client.force_login(User.objects.create_user("ada", is_staff=True))
    assert b'href="/handbook/"' in client.get("/admin/").content
