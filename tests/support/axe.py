"""What axe finds on a page, by the rules of WCAG 2.2 AA and its own best practice."""

from collections.abc import Sequence
from typing import Any

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]


def faults(page: Page, but: Sequence[str] = ()) -> list[tuple[str, str]]:
    """Each violation, the rule and the element; `but`: selectors of what is not ours."""
    context: Any = {"exclude": [[selector] for selector in but]} if but else None
    options: dict[str, Any] = {"runOnly": {"type": "tag", "values": RULES}, "resultTypes": ["violations"]}
    found = Axe().run(page, context, options).response["violations"]
    return [(one["id"], node["html"][:160]) for one in found for node in one["nodes"]]
