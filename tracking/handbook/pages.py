"""The pages of the handbook, from Markdown to HTML. A name enters; a title, a body and its sections leave.

Links are written so that they also work where the files themselves are read, as on a forge: pages as `operating.md`,
with or without an anchor, pictures as `../static/handbook/name.svg`. Here they become addresses of the product. The
Markdown is the project's own, yet HTML in it would be shown as text.
"""

from __future__ import annotations

import re
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

from django.templatetags.static import static
from django.urls import reverse
from markdown_it import MarkdownIt
from markdown_it.token import Token

DIRECTORY = Path(__file__).parent
INDEX = "index"
# In the order of the menu, which is one that can be read through.
PAGES = {
    INDEX: "Handbook",
    "operating": "Operating",
    "settings": "Settings",
    "formats": "Formats and sources",
    "map": "Map",
    "api": "API",
    "live": "Live documents",
    "relays": "Relays and other programs",
    "truth": "Truth",
    "events": "Events",
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
_STATIC = "../static/"


class PageSection(NamedTuple):
    """A heading of the second level, and what follows # in its address."""

    anchor: str
    title: str


class RenderedPage(NamedTuple):
    """A rendered page; `body` is safe HTML."""

    name: str
    title: str
    body: str
    sections: list[PageSection]


@lru_cache(maxsize=len(PAGES))
def page(name: str) -> RenderedPage:
    """The page of that name. Raises KeyError for any other."""
    title = PAGES[name]
    parser = MarkdownIt("commonmark", {"html": False}).enable("table")
    tokens = parser.parse((DIRECTORY / f"{name}.md").read_text(encoding="utf-8"))
    sections = []
    for token, content in pairwise(tokens):
        if token.type == "heading_open":
            token.attrSet("id", anchor(content.content))
            if token.tag == "h2":
                sections.append(PageSection(anchor(content.content), content.content.replace("`", "")))
    for token in tokens:
        for child in token.children or ():
            _resolve(child)
    return RenderedPage(name, title, parser.renderer.render(tokens, parser.options, {}), sections)


def address(name: str) -> str:
    """Where a page is."""
    return reverse("handbook") if name == INDEX else reverse("handbook-page", args=[name])


def anchor(heading: str) -> str:
    """What leads to a heading, as forges make it: `A bad day` is #a-bad-day."""
    return re.sub(r"[^\w -]", "", heading.lower()).strip().replace(" ", "-")


def _resolve(token: Token) -> None:
    """Make addresses of the names of pages and of static files."""
    if token.type == "image":
        token.attrSet("src", static(str(token.attrGet("src")).removeprefix(_STATIC)))
    elif token.type == "link_open":
        name, mark, fragment = str(token.attrGet("href")).partition("#")
        if name.removesuffix(".md") in PAGES:
            token.attrSet("href", address(name.removesuffix(".md")) + mark + fragment)
