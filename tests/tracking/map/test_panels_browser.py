"""The panels of the map: silent feeds and where nobody hears, two feeds compared, and why something is not here."""

import datetime as dt
import re
import time
from collections.abc import Iterator

import msgspec
import pytest
from django.contrib.auth.models import User
from django_redis import get_redis_connection
from playwright.sync_api import expect

from ingest.health import keys
from ingest.models import Feed, Scorecard
from ingest.reports import StationTime
from tests.support.feeds_world import heard
from tests.support.past_world import remember
from tests.support.patience import PATIENCE_SECONDS
from tests.tracking.map.conftest import Visit, picture
from tracking.live_api.live import answers
from tracking.map import reach
from tracking.models import VesselPosition

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
expect.set_options(timeout=PATIENCE_SECONDS * 1000)


@pytest.fixture(autouse=True)
def feeds() -> Iterator[None]:
    """Two feeds that hear ships, and one that has been silent for an hour and heard ships at 52.5 N 7 E."""
    get_redis_connection("queue").flushdb()
    heard("pier", *range(244_660_000, 244_660_040))
    heard("quay", *range(244_660_025, 244_660_060))
    heard("roof", 244_660_001, ago=3600)
    remember(dt.datetime.now(dt.UTC) - dt.timedelta(hours=1), minutes=5, ships=2, aircraft=0)
    VesselPosition.objects.update(source="roof", latitude=52.6, longitude=7.2)
    yield
    get_redis_connection("queue").flushdb()


def test_a_silent_feed_is_announced_and_the_map_says_where_it_is_blind(visit: Visit) -> None:
    page = visit("#7/52.4/6.2")
    since = time.strftime("%H:%M", time.gmtime(time.time() - 3600))[:-1]
    expect(page.locator("#notice")).to_contain_text(f"roof is silent since {since}")
    page.keyboard.press("b")
    panel = page.locator("#panel")
    expect(panel).to_contain_text("Hatched: nobody else hears there")
    panel.get_by_role("button", name="Show").click()
    page.wait_for_timeout(800)
    stage = page.locator("#stage").bounding_box()
    assert stage
    page.mouse.move(stage["x"] + stage["width"] / 2, stage["y"] + stage["height"] / 2)
    page.mouse.move(stage["x"] + stage["width"] / 2 + 90, stage["y"] + stage["height"] / 2)
    expect(page.locator("#tip")).to_contain_text("Nobody hears here")
    picture(page, "feeds")
    page.keyboard.press("Escape")
    expect(panel).to_be_hidden()


def test_two_feeds_are_compared_in_colours_and_numbers_and_the_link_keeps_it(visit: Visit) -> None:
    page = visit("#7/52.4/3.4&cmp=pier,quay", width=390, height=844, has_touch=True)
    page.locator("#b-feeds").click()
    panel = page.locator("#panel")
    for words in ("only pier 25", "only quay 20", "both 15"):
        part, _, number = words.rpartition(" ")
        expect(panel.locator(".parts div", has_text=part)).to_contain_text(number)
    picture(page, "compared-phone")
    panel.get_by_role("button", name="End comparing").click()
    expect(panel.locator(".parts")).to_have_count(0)
    assert "cmp=" not in page.url


def test_the_search_says_why_something_is_not_here(visit: Visit) -> None:
    page = visit(member=User.objects.create_superuser("ada"))
    page.keyboard.press("/")
    page.keyboard.type("244669999")
    page.get_by_role("option", name="Why is 244669999 not here?").wait_for()
    page.keyboard.press("Enter")
    panel = page.locator("#panel")
    expect(panel).to_contain_text("No: no report that was accepted within 30 minutes")
    expect(panel).to_contain_text("by no feed within the last 20 minutes")
    expect(panel).to_contain_text("Dead letters")
    page.keyboard.press("Escape")
    page.locator("#list .row", has_text="NORDIC 001").click()
    page.keyboard.press("w")
    expect(panel).to_contain_text("by pier; silent now: roof")
    expect(panel).to_contain_text("of roof")


def test_the_reach_of_a_feed_is_drawn_around_its_antenna_and_the_link_keeps_it(visit: Visit) -> None:
    yesterday = dt.datetime.now(dt.UTC).date() - dt.timedelta(days=1)
    sectors = [[110.0 + 30 * (n % 4), 70.0 + 15 * (n % 4)] for n in range(36)]
    where = {"receiver_latitude": 52.1, "receiver_longitude": 4.2}
    Feed.objects.create(name="Pier", source="pier", url="udp://0.0.0.0:1", **where)
    Scorecard.objects.create(source="pier", day=yesterday, heard=9, first=9, alone=9, refused=0, sectors=sectors)
    wrong = msgspec.json.encode([StationTime("mast", "own", 12_300, 64)])
    get_redis_connection("queue").set(keys.clocks("pier"), wrong)
    reach._known.until = 0.0
    answers.clear()
    page = visit("#8/52.4/3.4&reach=pier")
    page.keyboard.press("b")
    row = page.locator("#panel li", has_text="pier")
    expect(row).to_contain_text("Clock 12 s ahead, corrected")
    expect(row).to_contain_text(f"{yesterday.day} {yesterday:%b}: up to 200.0 nm")
    button = row.get_by_role("button", name="Reach")
    button.focus()
    page.keyboard.press("Enter")
    expect(row).not_to_contain_text("up to")
    assert "reach=" not in page.url
    page.keyboard.press("Enter")
    expect(row).to_contain_text("up to 200.0 nm")
    page.wait_for_url(re.compile(r"#[4-6]\..*reach=pier"))  # all of it is in view
    picture(page, "reach")
