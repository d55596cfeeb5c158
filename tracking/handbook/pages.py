"""The pages of the handbook, from Markdown to HTML. A name enters; a title and a body leave.

The Markdown is the project's own, yet HTML in it is shown as text. Links to pages are their names; pictures are named
`static:path` and lead to the static files. Headings can be linked to.
"""

from __future__ import annotations

import re
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

from django.templatetags.static import static
from django.urls import reverse
from markdown_it import MarkdownIt
from markdown_it.token import Token

DIRECTORY = Path(__file__).parent
INDEX = "index"
PAGES = {
    INDEX: "Handbook",
    "operating": "Operating",
    "settings": "Settings",
    "formats": "Formats",
    "api": "API",
    "live": "Live documents",
    "accounts": "Accounts",
    "letters": "Dead letters",
    "failures": "Failure matrix",
    "security": "Security",
    "speed": "Speed",
    "decisions": "Decisions",
    "limits": "Limits",
    "code": "Reading the code",
    "glossary": "Glossary",
}
_STATIC = "static:"


class Page(NamedTuple):
    """A rendered page; `body` is safe HTML."""

    name: str
    title: str
    body: str


@lru_cache(maxsize=len(PAGES))
def page(name: str) -> Page:
    """The page of that name. Raises KeyError for any other."""
    title = PAGES[name]
    parser = MarkdownIt("commonmark", {"html": False, "typographer": False}).enable("table")
    tokens = parser.parse((DIRECTORY / f"{name}.md").read_text())
    for number, token in enumerate(tokens):
        if token.type == "heading_open":
            token.attrSet("id", _anchor(tokens[number + 1].content))
        for child in token.children or ():
            _resolve(child)
    return Page(name, title, parser.renderer.render(tokens, parser.options, {}))


def address(name: str) -> str:
    """Where a page is."""
    return reverse("handbook") if name == INDEX else reverse("handbook-page", args=[name])


def _anchor(heading: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", heading.lower()).strip("-")


def _resolve(token: Token) -> None:
    """Names of pages and of static files to addresses."""
    for attribute in ("href", "src"):
        target: Any = token.attrGet(attribute)
        if not isinstance(target, str):
            continue
        if target.startswith(_STATIC):
            token.attrSet(attribute, static(target.removeprefix(_STATIC)))
        elif target in PAGES:
            token.attrSet(attribute, address(target))
