"""What people do with the pointer on a map that moves: hover, choose, follow, sort; and a lost graphics card."""

import re
import time

import pytest
from django.test import Client
from playwright.sync_api import Page, expect

from tests.support.map_page import caught, listed, the_map
from tests.support.patience import PATIENCE_SECONDS
from tests.tracking.map.conftest import Visit, picture
from tracking.live.state import LiveKind, LiveState, LiveUpdate

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
expect.set_options(timeout=PATIENCE_SECONDS * 1000)
LAT, LON = 56.2, 3.4  # alone at sea
# Where a followed target is drawn once the map has reached it: pixels from the middle and from where it was at first,
# every tenth of a second.
SAMPLED = """async ([map, store, key]) => {
    const pause = () => new Promise((done) => setTimeout(done, 100)), seen = [];
    let begun = map.getCenter();
    const look = () => {
      const [x, y] = store.drawn(store.row(key)), lat = Math.atan(Math.sinh(Math.PI * (1 - 2 * y))) * 180 / Math.PI;
      const [at, middle, first] = [[x * 360 - 180, lat], map.getCenter(), begun].map((place) => map.project(place));
      return [Math.hypot(at.x - middle.x, at.y - middle.y), Math.hypot(at.x - first.x, at.y - first.y)];
    };
    for (let left = 100; left && (map.isMoving() || look()[0] >= 2); left--) await pause();
    begun = map.getCenter();
    for (let left = 25; left; left--) { seen.push(look()); await pause(); }
    return seen;
}"""


@pytest.fixture
def alone(visit: Visit) -> Page:
    """A ship in the middle of the map, nobody else near."""
    fields = {"speed": 12.0, "course": 90.0, "heading": 90, "source": "pier", "score": 80}
    static = {"name": "LONELY", "ship_type": 70}
    LiveState(LiveKind.VESSEL).write([LiveUpdate("244999001", time.time(), LAT, LON, fields, static=static)])
    return visit(f"#13/{LAT}/{LON}")


def middle(page: Page) -> tuple[float, float]:
    box = page.locator("#stage").bounding_box()
    assert box
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


def view(page: Page) -> tuple[float, float]:
    """Latitude and longitude of the middle, by the address."""
    _, lat, lon = page.url.partition("#")[2].partition("&")[0].split("/")
    return float(lat), float(lon)


def drag(page: Page, start: tuple[float, float], end: tuple[float, float]) -> None:
    """As slowly as a hand: the map is drawn between the steps."""
    page.mouse.move(*start)
    page.mouse.down()
    for step in range(1, 11):
        page.mouse.move(*(begin + (last - begin) * step / 10 for begin, last in zip(start, end, strict=True)))
        page.wait_for_timeout(50)
    page.mouse.up()


def test_a_ship_is_pointed_at_chosen_followed_and_let_go(alone: Page) -> None:
    page, (x, y) = alone, middle(alone)
    page.mouse.move(x + 3, y)
    page.mouse.move(x + 1, y)
    expect(page.locator("#tip")).to_contain_text("LONELY")
    expect(page.locator("#tip")).to_contain_text(re.compile(r"12\.0 kn.*· \d+ (s|min)"))
    page.mouse.click(x + 1, y)
    expect(page.locator("#card h2")).to_have_text("LONELY")
    page.keyboard.press("f")
    LiveState(LiveKind.VESSEL).write([LiveUpdate("244999001", time.time(), LAT, LON, {"speed": 40.0})])
    expect(page.locator("#card")).to_contain_text("40.0 kn")
    seen = page.evaluate(SAMPLED, [the_map(page), caught(page, "js/store.js", "Store", "drawn"), "v244999001"])
    assert max(away for away, _ in seen) < 2, seen
    assert seen[-1][1] > 5, seen
    lat, lon = 56.5, 3.9
    LiveState(LiveKind.VESSEL).write([LiveUpdate("244999001", time.time(), lat, lon, {"speed": 0.0})])
    deadline = time.monotonic() + PATIENCE_SECONDS
    while abs(view(page)[0] - lat) > 0.001 or abs(view(page)[1] - lon) > 0.001:
        assert time.monotonic() < deadline, view(page)
        page.wait_for_timeout(250)
    assert "follow=1" in page.url
    drag(page, (x - 150, y + 150), (x - 50, y + 100))
    expect(page.get_by_role("button", name="Follow")).to_have_attribute("aria-pressed", "false")
    page.wait_for_timeout(2000)  # the map glides on a little
    let_go = view(page)
    assert "follow=1" not in page.url and abs(let_go[0] - lat) > 0.001
    LiveState(LiveKind.VESSEL).write([LiveUpdate("244999001", time.time(), lat + 0.01, lon, {"speed": 0.0})])
    page.wait_for_timeout(2500)  # it is asked for every one and a half seconds
    assert view(page) == let_go
    page.mouse.click(x - 200, y + 200)  # on the sea
    expect(page.locator("#card")).to_be_hidden()


def test_the_list_is_what_is_in_view_sorted_and_holds_still_under_the_pointer(visit: Visit) -> None:
    page = visit("#7/52.4/3.4")
    names = page.locator("#list .row b:first-child")
    page.locator(".sort", has_text="Speed").click()
    speeds = listed(page, ".figures b")
    numbers = [float(text.split()[0]) for text in speeds if text[0].isdigit()][1:]  # the emergency comes first
    assert numbers == sorted(numbers, reverse=True)
    west, south, east, north = page.evaluate(
        "document.querySelector('#map canvas') && location.hash && [2, 51.5, 5, 53.2]"
    )
    box = {"bbox": f"{west},{south},{east},{north}"}
    inside = {one["name"] for one in Client().get("/api/live/vessels/", box).json()["results"]}
    shown = set(listed(page, ".who b"))
    assert len(inside & shown) > 20 and inside <= shown
    page.locator("#list .row").nth(4).hover()
    before, everybody = names.all_inner_texts()[:8], len(listed(page, ".who"))
    live = {"speed": 90.0, "course": 10.0}
    LiveState(LiveKind.VESSEL).write([LiveUpdate("244999002", time.time(), 52.4, 3.4, live, static={"name": "FAST"})])
    expect(page.locator("#list li").first).to_have_attribute("aria-setsize", str(everybody + 1))
    assert names.all_inner_texts()[:8] == before


@pytest.mark.parametrize(
    ("column", "shown"), [("Name", ".who b"), ("Speed", ".figures b"), ("Altitude", ".figures small")]
)
def test_every_column_sorts_both_ways_with_what_is_not_known_last(visit: Visit, column: str, shown: str) -> None:
    LiveState(LiveKind.VESSEL).write([LiveUpdate("244999003", time.time(), 52.4, 3.4, {"source": "pier"})])
    page = visit("#7/52.4/3.4")
    assert "244999003" in listed(page, ".who b")
    button = page.locator(".sort", has_text=column)
    orders = []
    for _ in range(2):
        button.click()
        expect(button).to_have_attribute("aria-pressed", "true")
        rows = ".row:not([data-alarm])"
        assert listed(page, ".who b", rows)[0] != "244999003"
        orders.append([text for text in listed(page, shown, rows) if known(text, column)])
    assert len(set(orders[0])) > 5
    assert [value(text, column) for text in orders[0]] == [value(text, column) for text in orders[1]][::-1]
    assert [value(text, column) for text in orders[0]] in (
        sorted((value(text, column) for text in orders[0]), reverse=True),
        sorted(value(text, column) for text in orders[0]),
    )


def known(text: str, column: str) -> bool:
    """Whether a row has what the column sorts by; ships have a course in the place of an altitude."""
    return {"Name": not text.isdigit(), "Speed": text.endswith("kn"), "Altitude": text.endswith("ft")}[column]


def value(text: str, column: str) -> str | float:
    return text if column == "Name" else float(text.split()[0].replace(",", ""))


def test_a_lost_graphics_context_comes_back_and_an_unknown_address_opens_the_world(visit: Visit) -> None:
    page = visit("#nonsense&sel=v1")
    expect(page.locator("#kinds button").nth(0)).to_contain_text("60")
    assert page.evaluate("location.hash").startswith("#1.") or page.evaluate("location.hash").startswith("#nonsense")
    page = visit("#7/52.4/3.4")
    page.keyboard.press("l")
    page.wait_for_timeout(600)
    stage = page.locator("#stage")
    page.evaluate(
        """() => { const gl = document.getElementById("targets").getContext("webgl2");
        window.lost = gl.getExtension("WEBGL_lose_context"); window.lost.loseContext(); }"""
    )
    page.wait_for_timeout(600)
    without = len(stage.screenshot())
    page.evaluate("window.lost.restoreContext()")
    deadline = time.monotonic() + PATIENCE_SECONDS
    while len(stage.screenshot()) < without + 1500:
        assert time.monotonic() < deadline
        page.wait_for_timeout(300)
    picture(page, "restored")
