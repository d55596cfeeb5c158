"""What registers know of an aircraft, as people see it on the map."""

from typing import Any

import pytest
from playwright.sync_api import expect

from tests.support.patience import PATIENCE_SECONDS
from tests.tracking.map.conftest import Visit
from tests.tracking.map.test_map_browser import search
from tracking.registry import lookup, storing
from tracking.registry.reading import RegisterEntry, Row

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
TYPES = ("B744", "C172", "EC35", "AT76", "A320", "ASK2", "DG80")


@pytest.fixture
def registered(live_redis: Any, transactional_db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lookup, "WAIT_SECONDS", PATIENCE_SECONDS)
    entries = [
        RegisterEntry(f"4841{n:02x}", f"PH-{n:03d}", TYPES[n % 7], "<b>Royal</b> Test", n % 5 == 0) for n in range(25)
    ]
    storing.replace("test", [Row(entry) for entry in entries])
    lookup.register._look_at = 0.0


def test_card_and_list_tell_what_the_register_says_and_that_it_does(registered: None, visit: Visit) -> None:
    page = visit()
    search(page, "KLM100")
    card = page.locator("#card")
    for text in ("PH-000", "B744", "<b>Royal</b> Test", "Military", "register", "NL"):
        expect(card).to_contain_text(text)
    expect(page.locator("#list")).to_contain_text("Aircraft · B744")
