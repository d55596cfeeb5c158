"""The handbook says what the code does, is readable without a network, and leads nowhere wrong."""

import re
from pathlib import Path

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from ingest.formats.registry import FORMATS
from ingest.stages import work
from tests.faults.test_matrix import MATRIX
from tracking.handbook import pages

PROJECT = Path(__file__).resolve().parents[3]
TEXTS = {name: (pages.DIRECTORY / f"{name}.md").read_text() for name in pages.PAGES}


def test_every_file_is_a_page_and_every_page_is_linked_from_the_index() -> None:
    assert {path.stem for path in pages.DIRECTORY.glob("*.md")} == set(pages.PAGES)
    assert set(re.findall(r"\]\((\w+)\)", TEXTS["index"])) == set(pages.PAGES) - {"index"}


@pytest.mark.parametrize("name", pages.PAGES)
def test_every_page_has_its_title_and_leads_to_pages_that_exist(name: str) -> None:
    rendered = pages.page(name)
    assert rendered.body.startswith("<h1 id=")
    for target in re.findall(r'(?:href|src)="([^"]+)"', rendered.body):
        assert target.startswith(("/handbook/", "/static/", "#")), target


def test_settings_are_those_that_the_code_reads() -> None:
    """Each variable of the page is read somewhere, and each that settings.py reads is on the page."""
    source = (PROJECT / "tracking/settings.py").read_text()
    read = set(re.findall(r'(?:env(?:\.\w+)?|_secret|_networks|_url|secret)\(\s*"([A-Z][A-Z0-9_]+)"', source))
    told = set(re.findall(r"`([A-Z][A-Z0-9_]{3,})`", "\n".join(re.findall(r"^\| (.+?) \|", TEXTS["settings"], re.M))))
    assert len(read) > 20
    assert read - told == set()
    assert {name for name in told if name not in source} == set()


def test_formats_are_those_of_the_registry() -> None:
    told = set(re.findall(r"`([a-z-]+)`", "\n".join(re.findall(r"^\|[^|]+\|([^|]+)\|", TEXTS["formats"], re.M))))
    assert told == set(FORMATS)


def test_failures_are_those_of_the_matrix() -> None:
    told = {f"{number} {fault}" for number, fault in re.findall(r"^(\d+)\. (.+)$", TEXTS["failures"], re.M)}
    assert told == set(MATRIX)


def test_the_glossary_explains_the_outcomes_of_the_ledger() -> None:
    terms = re.findall(r"^\| ([^|]+) \|", TEXTS["glossary"], re.M)
    assert {"merged", "duplicate"} <= set(terms) & set(work.OUTCOMES)
    assert terms[2:] == sorted(terms[2:], key=str.lower)


def test_modules_that_pages_name_exist() -> None:
    for name, text in TEXTS.items():
        for path in re.findall(r"`((?:ingest|tracking|resilience|tests)/[\w./]+)`", text):
            assert (PROJECT / path).exists(), (name, path)


@pytest.mark.django_db
def test_staff_reads_it_and_html_in_it_would_be_text(client: Client) -> None:
    assert client.get(reverse("handbook")).status_code == 302
    client.force_login(User.objects.create_user("ada", is_staff=True))
    shown = client.get(reverse("handbook-page", args=["letters"]))
    assert shown.status_code == 200
    assert b"/static/handbook/letters" in shown.content
    assert "unsafe" not in shown.headers["Content-Security-Policy"]
    assert client.get("/handbook/nothing/").status_code == 404
