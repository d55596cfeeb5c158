"""The past on the map: any hour as it was stored, moved on by a film, and back to the present."""

import datetime as dt

import pytest
from django.contrib.auth.models import User
from playwright.sync_api import Page, expect

from tests.support.past_world import FIRST_SHIP, remember
from tests.support.patience import PATIENCE_SECONDS
from tests.tracking.map.conftest import Visit, picture
from tracking.models import VesselPosition

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True, databases=["default", "direct"])]
expect.set_options(timeout=PATIENCE_SECONDS * 1000)


@pytest.fixture
def moment() -> dt.datetime:
    """In the middle of what is stored, and in the middle of its hour."""
    now = dt.datetime.now(dt.UTC)
    end = now.replace(minute=0, second=0, microsecond=0)
    remember(end)
    return end - dt.timedelta(minutes=30)


# The clock as the page shows it, with the page's own time, whenever it changes: the first and the last of two seconds.
CLOCKED = """() => new Promise((done) => {
    const clock = document.getElementById("clock"), seen = [];
    const told = () => Date.parse(`1970-01-01T${clock.textContent.match(/\\d\\d:\\d\\d:\\d\\d/)}Z`) / 1000;
    new MutationObserver(() => seen.push([told(), performance.now() / 1000]))
      .observe(clock, { characterData: true, childList: true, subtree: true });
    setTimeout(() => done([seen[0], seen.at(-1)]), 2200);
})"""
LOOKED_AGAIN = "document.dispatchEvent(new Event('visibilitychange'))"  # so the page asks at once, if it asks at all


def told(page: Page) -> str:
    return page.locator("#clock").inner_text()


def link(moment: dt.datetime, more: str = "") -> str:
    return f"#7/52.4/3.4&t={moment:%Y-%m-%dT%H:%M:%S}Z{more}"


def test_any_moment_is_shown_as_it_was_stored_played_shared_and_left(visit: Visit, moment: dt.datetime) -> None:
    ada = User.objects.create_user("ada")
    page = visit(link(moment, "&sel=v244660001&rate=1"), member=ada)
    expect(page.locator("#kinds button").nth(0)).to_contain_text("12")
    expect(page.locator("#kinds button").nth(1)).to_contain_text("6")
    expect(page.locator("#card h2")).to_have_text("NORDIC 001")
    stored = VesselPosition.objects.filter(vessel_id=FIRST_SHIP + 1, timestamp__lte=moment).latest("timestamp")
    expect(page.locator("#card")).to_contain_text(f"{stored.speed:.1f} kn")
    minutes = round((stored.longitude % 1) * 60_000)
    expect(page.locator("#card")).to_contain_text(f"003°{minutes // 1000 % 60:02d}.{minutes % 1000:03d}′E"[-9:])
    assert f"{moment:%H:%M:%S}" in told(page)

    polls: list[str] = []
    page.on("request", lambda asked: polls.append(asked.url) if "/changes/" in asked.url else None)
    page.get_by_label("How fast").select_option("60")
    page.get_by_role("button", name="Play", exact=True).click()
    (first, begun), (last, ended) = page.evaluate(CLOCKED)
    assert ended - begun > 1
    assert (last - first) / (ended - begun) == pytest.approx(60, abs=1.5)  # the clock tells whole seconds
    page.get_by_label("How fast").select_option("300")
    expect(page.locator("#clock")).to_contain_text(f"{moment + dt.timedelta(minutes=10):%H:%M}"[:-1])
    page.get_by_role("button", name="Pause", exact=True).click()
    picture(page, "replay")
    shown = page.url[page.url.index("&t=") + 3 :]
    page.evaluate(LOOKED_AGAIN)
    assert polls == []

    again = visit(page.url[page.url.index("#") :], member=ada)
    expect(again.locator("#clock")).to_contain_text(shown[11:13])
    again.get_by_role("button", name="Live", exact=True).click()
    again.locator("#state[data-state=live]").wait_for()
    expect(again.locator("#kinds button").nth(0)).to_contain_text("60")
    assert "&t=" not in again.url


def test_the_slider_and_the_keys_choose_the_moment(visit: Visit, moment: dt.datetime) -> None:
    page = visit(link(moment), member=User.objects.create_user("ada"), width=390, height=844, has_touch=True)
    expect(page.locator("#kinds button").nth(0)).to_contain_text("12")
    page.get_by_label("Moment", exact=True).focus()
    page.keyboard.press("ArrowLeft")
    expect(page.locator("#clock")).to_contain_text(f"{moment - dt.timedelta(seconds=10):%H:%M:%S}")
    page.get_by_label("Moment, UTC").fill(f"{moment - dt.timedelta(days=3):%Y-%m-%dT%H:%M:%S}")
    expect(page.locator("#kinds button").nth(0)).to_contain_text("0")
    page.locator("#map canvas").focus()
    page.keyboard.press("]")
    expect(page.locator("#clock")).to_contain_text(f"{moment + dt.timedelta(hours=1):%H:%M:%S}")
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    sizes = page.locator("#replay button").evaluate_all("all => all.map((one) => one.offsetHeight)")
    assert len(sizes) == 4 and min(sizes) >= 40
    picture(page, "replay-phone")
    page.keyboard.press("r")
    page.locator("#state[data-state=live]").wait_for()


def test_a_visitor_is_told_that_the_past_needs_a_log_in(visit: Visit, moment: dt.datetime) -> None:
    page = visit(link(moment))
    expect(page.locator("#toast")).to_have_text("The past needs a log-in")
    expect(page.locator("#kinds button").nth(0)).to_contain_text("60")
    expect(page.locator("#b-replay")).to_be_hidden()
