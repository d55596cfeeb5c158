"""The map for everybody: axe finds nothing in dark or light, and the keyboard reaches all of it."""

import datetime as dt

import pytest
from django.contrib.auth.models import User
from playwright.sync_api import expect

from tests.support.axe import faults
from tests.support.past_world import remember
from tests.support.patience import PATIENCE_SECONDS
from tests.tracking.map.conftest import Visit, covered_buttons, picture

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True, databases=["default", "direct"])]
expect.set_options(timeout=PATIENCE_SECONDS * 1000)


@pytest.fixture
def ada() -> User:
    return User.objects.create_superuser("ada")


def test_axe_finds_nothing_with_card_filters_and_feeds_open_in_dark_and_light(visit: Visit, ada: User) -> None:
    remember(dt.datetime.now(dt.UTC), minutes=20, ships=2, aircraft=0)
    page = visit("#7/52.4/3.0&sel=v244660001", member=ada, width=1440, height=900)
    expect(page.locator("#card .trail")).to_contain_text("points")
    page.locator("#b-filters").click()
    page.keyboard.press("b")
    found = {"dark": faults(page)}
    page.keyboard.press("d")
    page.wait_for_timeout(300)
    found["light"] = faults(page)
    page.keyboard.press("?")
    found["help"] = faults(page)
    assert found == {"dark": [], "light": [], "help": []}


def test_in_the_replay_on_a_phone_axe_finds_nothing_and_no_button_is_covered(visit: Visit, ada: User) -> None:
    end = dt.datetime.now(dt.UTC)
    remember(end, minutes=90, ships=2, aircraft=1)
    moment = end - dt.timedelta(minutes=30)
    page = visit(f"#7/52.4/3.4&t={moment:%Y-%m-%dT%H:%M:%S}Z", member=ada, width=390, height=844, has_touch=True)
    expect(page.locator("#kinds button").nth(0)).to_contain_text("2")
    assert faults(page) == []
    page.locator("#b-list").click()
    page.wait_for_timeout(300)  # it slides in
    assert covered_buttons(page) == []
    page.set_viewport_size({"width": 740, "height": 360})  # turned
    assert covered_buttons(page) == []


def test_the_keyboard_alone_reaches_list_card_filters_feeds_and_replay(visit: Visit, ada: User) -> None:
    remember(dt.datetime.now(dt.UTC), minutes=5)  # the first of the list is an aircraft of these
    page = visit(member=ada)
    seen: set[str] = set()
    for _ in range(60):
        page.keyboard.press("Tab")
        seen.add(page.evaluate("(document.activeElement.id || document.activeElement.className || '').toString()"))
        assert page.evaluate(
            "document.activeElement.matches(':focus-visible') || document.activeElement === document.body"
        )
        if "row" in seen:
            break
    assert {"q", "b-filters", "row"} <= {word for words in seen for word in words.split()}
    for _ in range(8):  # rows come into the document as the focus nears them
        for _ in range(5):
            page.keyboard.press("Tab")
        page.evaluate("() => new Promise(requestAnimationFrame)")
    page.evaluate("document.getElementById('list').scrollTop = 0")
    page.evaluate("() => new Promise(requestAnimationFrame)")
    assert page.evaluate("document.activeElement.closest('li')?.ariaPosInSet") == "41"
    page.locator("#list .row").first.focus()
    page.keyboard.press("Enter")
    expect(page.locator("#card")).to_be_visible()
    page.keyboard.press("r")
    expect(page.locator("#replay")).to_be_visible()
    page.get_by_label("Moment", exact=True).focus()
    before = page.locator("#clock").inner_text()
    page.keyboard.press("ArrowLeft")
    expect(page.locator("#clock")).not_to_have_text(before)
    page.get_by_role("button", name="Live", exact=True).focus()
    page.keyboard.press("Enter")
    page.locator("#state[data-state=live]").wait_for()
    page.keyboard.press("Escape")
    expect(page.locator("#card")).to_be_hidden()
    picture(page, "keyboard")
