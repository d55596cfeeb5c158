"""The trail of a target: its values at each point, its colours, and its span."""

import datetime as dt
import time

import pytest
from django.contrib.auth.models import User
from playwright.sync_api import Page, expect

from tests.support.map_page import the_map
from tests.support.past_world import remember
from tests.support.patience import PATIENCE_SECONDS
from tests.tracking.map.conftest import Visit, picture
from tracking.live.state import LiveKind, LiveState, LiveUpdate

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True, databases=["default", "direct"])]
expect.set_options(timeout=PATIENCE_SECONDS * 1000)
PIECES = "(map) => map.querySourceFeatures('trail').length"  # that are loaded to be drawn


@pytest.fixture
def end() -> dt.datetime:
    """When the stored trails end, where the live targets are now: the ship of number 1 at 51.75 N 3.12 E."""
    end = dt.datetime.now(dt.UTC).replace(microsecond=0)
    remember(end, ships=2, aircraft=1)
    return end


def heard(end: dt.datetime) -> None:
    live = {"speed": 14.0, "course": 90.0, "source": "pier", "score": 80}
    LiveState(LiveKind.VESSEL).write(
        [LiveUpdate("244660001", end.timestamp() + 30, 51.75, 3.12, live, static={"name": "NORDIC 001"})]
    )


def sweep(page: Page, text: str) -> None:
    """Move over the middle of the map, where the trail runs, until a tip says so."""
    box = page.locator("#stage").bounding_box()
    assert box
    for _ in range(20):
        for x in range(60, int(box["width"]) - 380, 25):
            page.mouse.move(box["x"] + x, box["y"] + box["height"] / 2)
            if text in page.locator("#tip").inner_text() and page.locator("#tip").is_visible():
                return
        page.wait_for_timeout(250)
    pytest.fail(f"no point of the trail told {text!r}")


def test_a_point_of_the_trail_tells_when_how_fast_and_where_to(visit: Visit, end: dt.datetime) -> None:
    heard(end)
    page = visit("#9.5/51.75/3.1&sel=v244660001")
    expect(page.locator("#card .trail")).to_contain_text("91 points")
    expect(page.locator("#card .trail")).to_contain_text("kn")
    sweep(page, "UTC")
    tip = page.locator("#tip").inner_text()
    assert "kn · 090°" in tip
    picture(page, "trail-visitor")
    chart = the_map(page)
    assert chart.evaluate(PIECES) > 0
    page.keyboard.press("t")
    deadline = time.monotonic() + PATIENCE_SECONDS
    while chart.evaluate(PIECES):
        assert time.monotonic() < deadline, "the track stays"
        page.wait_for_timeout(100)


def test_who_is_logged_in_chooses_colour_and_any_span_and_shares_them(visit: Visit, end: dt.datetime) -> None:
    heard(end)
    ada = User.objects.create_user("ada")
    page = visit("#9/51.75/3.1&sel=v244660001&theme=light", member=ada)
    page.get_by_label("Span").select_option("1h")
    expect(page.locator("#card .trail")).to_contain_text("60 points")
    page.get_by_label("Colour").select_option("day")
    expect(page.locator("#card .ramp")).to_have_count(0)
    picture(page, "trail-day")
    assert "by=day" in page.url and "span=1h" in page.url
    page.get_by_label("Span").select_option("other")
    page.get_by_label("From, UTC").fill(f"{end - dt.timedelta(minutes=30):%Y-%m-%dT%H:%M}")
    expect(page.locator("#card .trail")).to_contain_text("30 points")
    again = visit(page.url[page.url.index("#") :], member=ada, width=390, height=844, has_touch=True)
    expect(again.locator("#card .trail")).to_contain_text("30 points")
    assert again.get_by_label("Colour").input_value() == "day"
    assert again.evaluate("document.documentElement.scrollWidth") == 390


def test_the_trail_of_an_aircraft_is_coloured_by_altitude(visit: Visit, end: dt.datetime) -> None:
    fields = {"altitude": 37_000, "ground_speed": 250.0, "heading": 0.0, "source": "roof", "score": 80}
    LiveState(LiveKind.AIRCRAFT).write([LiveUpdate("484100", end.timestamp() + 20, 54.2, 2.0, fields)])
    page = visit("#6/52.6/3.0&sel=a484100")
    expect(page.locator("#card .trail")).to_contain_text("40,000 ft")
    assert page.get_by_label("Colour").input_value() == "altitude"
    picture(page, "trail-aircraft")
