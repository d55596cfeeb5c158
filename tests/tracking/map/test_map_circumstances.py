"""The map where not all is as usual: no graphics, a lost map, both sides of 180 degrees, a wall, an emptied Redis."""

import gzip
import json
import time
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from django.test import Client
from playwright.sync_api import Page, expect
from redis import Redis

from tests.support.map_page import colour_at, place_of, the_map
from tests.support.map_world import populate
from tests.support.patience import PATIENCE_SECONDS
from tests.tracking.map.conftest import Visit, covered_buttons, picture
from tests.tracking.map.test_map_budgets import SLOW
from tracking.live.mirror import TICK_SECONDS
from tracking.live.state import LiveKind, LiveState, LiveUpdate

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
expect.set_options(timeout=PATIENCE_SECONDS * 1000)

NO_GRAPHICS = """
    const usual = HTMLCanvasElement.prototype.getContext;
    HTMLCanvasElement.prototype.getContext = function (kind, ...more) {
      return kind.startsWith("webgl") ? null : usual.call(this, kind, ...more);
    };"""
LOSE = """(selector) => { const gl = document.querySelector(selector).getContext("webgl2");
    (window.lost ??= {})[selector] = gl.getExtension("WEBGL_lose_context"); window.lost[selector].loseContext(); }"""
CANVASES = ("#targets", "#map canvas")
AGAIN_SECONDS = 12  # from a lost context to a whole picture
COUNTED_SECONDS = 10  # from the last of 30,000 targets to their number on the page


def test_without_webgl_2_there_is_a_message_and_the_list_with_search_and_card(visit: Visit) -> None:
    page = visit(script=NO_GRAPHICS)
    expect(page.locator("#map")).to_contain_text("no WebGL 2")
    expect(page.locator("#kinds button").nth(0)).to_contain_text("60")
    expect(page.locator("#inview")).to_have_text("86 live")
    page.locator("#q").fill("NORDIC 001")
    expect(page.locator("#list .row")).to_have_count(1)
    page.locator("#list .row").click()
    expect(page.locator("#card h2")).to_have_text("NORDIC 001")
    expect(page.locator("#card")).to_contain_text("pier")
    expect(page.locator("#card .buttons")).to_have_count(0)
    page.get_by_role("button", name="Close").click()
    expect(page.locator("#card")).to_be_hidden()
    page.locator("#kinds button").nth(0).click()
    expect(page.locator("#list")).to_contain_text("Nothing that your filters show")


@pytest.mark.parametrize("canvas", CANVASES)
def test_what_a_lost_context_took_away_is_drawn_again_within_12_seconds(visit: Visit, canvas: str) -> None:
    page = visit()
    page.wait_for_timeout(1500)
    stage = page.locator("#stage")
    whole = len(stage.screenshot())
    deadline = time.monotonic() + AGAIN_SECONDS * SLOW
    page.evaluate(LOSE, canvas)
    page.wait_for_timeout(1000)
    without = len(stage.screenshot())
    assert without < whole * 0.95
    page.evaluate("(selector) => window.lost[selector].restoreContext()", canvas)
    while len(stage.screenshot()) < without + (whole - without) * 0.7:
        assert time.monotonic() < deadline
        page.wait_for_timeout(300)


def test_on_both_sides_of_180_degrees_targets_are_seen_and_pointed_at(visit: Visit) -> None:
    now = time.time()
    fields = {"speed": 0.0, "heading": 0, "source": "pier", "score": 80}
    LiveState(LiveKind.VESSEL).write(
        LiveUpdate(key, now, -37.0, longitude, fields, static={"name": name, "ship_type": 80})
        for key, name, longitude in (("244999001", "WEST", 160.0), ("244999002", "EAST", -160.0))
    )
    page = visit("#2.6/-37/179")
    expect(page.locator("#list .row")).to_have_count(2)
    asked = page.evaluate("performance.getEntriesByType('resource').map((one) => one.name)")
    [box] = {parse_qs(urlsplit(url).query)["bbox"][0] for url in asked if "/changes/" in url}
    west, _, east, _ = map(float, box.split(","))
    assert 0 < west < 160 and -160 < east < 0
    chart, drawn = the_map(page), []
    page.keyboard.press("l")  # names go, which lie beside the shapes
    for name, longitude in (("WEST", 160.0), ("EAST", 200.0)):
        x, y = place_of(page, chart, -37.0, longitude)
        drawn.append(colour_at(page, x, y))
        page.mouse.move(x + 3, y)
        page.mouse.move(x, y)
        expect(page.locator("#tip")).to_contain_text(name)
    assert drawn[0] == drawn[1] != colour_at(page, x - 40, y)


SMALL = """() => {
    const shown = [...document.querySelectorAll("button, input:not([type=checkbox]), select")]
        .filter((one) => one.checkVisibility());
    const sized = shown.map((one) => [one.getBoundingClientRect(), one.id || one.textContent.trim()]);
    const small = sized.filter(([box]) => box.width && Math.min(box.width, box.height) < 40);
    return small.map(([box, name]) => `${name} ${Math.round(box.width)}x${Math.round(box.height)}`);
}"""


def test_on_a_phone_everything_can_be_hit_with_a_finger(visit: Visit) -> None:
    page = visit("#7/52.4/3.4", 390, 844, has_touch=True, is_mobile=True)
    small = {"map": page.evaluate(SMALL)}
    covered = {"map": covered_buttons(page)}
    page.locator("#b-list").tap()
    page.locator("#b-filters").tap()
    small["filters"], covered["filters"] = page.evaluate(SMALL), covered_buttons(page)
    page.locator("#b-filters").tap()
    page.locator("#list .row").first.tap()
    expect(page.locator("#card")).to_be_visible()
    small["card"], covered["card"] = page.evaluate(SMALL), covered_buttons(page)
    picture(page, "finger")
    page.locator("#b-feeds").tap()
    small["feeds"], covered["feeds"] = page.evaluate(SMALL), covered_buttons(page)
    assert small == covered == {"map": [], "filters": [], "card": [], "feeds": []}
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_a_wall_shows_the_map_alone_in_large_type(visit: Visit) -> None:
    page = visit("#7/52.4/3.4&kiosk=1&scale=1.5", 2560, 1440)
    for panel in ("#top", "#side", "#replay", ".tools"):
        expect(page.locator(panel)).to_be_hidden()
    sizes = page.evaluate(
        "[...document.querySelectorAll('#stage footer span')].map((one) => getComputedStyle(one).fontSize)"
    )
    assert {float(size.removesuffix("px")) >= 16 for size in sizes} == {True}
    assert page.locator("#stage").bounding_box() == {"x": 0, "y": 0, "width": 2560, "height": 1440}
    deadline = time.monotonic() + PATIENCE_SECONDS
    while len(page.screenshot()) < 200_000:  # coasts and targets; 15 kB are an empty sea
        assert time.monotonic() < deadline
        page.wait_for_timeout(300)
    picture(page, "wall")


def test_an_emptied_redis_empties_the_map_and_it_fills_again(visit: Visit, live_redis: Redis) -> None:
    page: Page = visit()
    live_redis.flushall()
    expect(page.locator("#list .row")).to_have_count(0)
    expect(page.locator("#kinds button").nth(0)).to_contain_text("0")
    populate()
    expect(page.locator("#kinds button").nth(0)).to_contain_text("60")
    expect(page.locator("#list .row").first).to_be_visible()


def test_a_world_of_30000_targets_is_counted_soon_and_told_in_small_bodies(visit: Visit, live_redis: Redis) -> None:
    page = visit("#9/52.4/3.4")
    live_redis.flushdb()
    now = time.time() - 5
    crowd(LiveKind.VESSEL, 20_000, now)
    crowd(LiveKind.AIRCRAFT, 10_000, now)
    within = COUNTED_SECONDS * SLOW * 1000
    expect(page.locator("#kinds button").nth(0)).to_contain_text("20,000", timeout=within)
    expect(page.locator("#kinds button").nth(1)).to_contain_text("10,000", timeout=within)
    page.close()  # its questions would find what is measured
    first, size = told("")
    assert (first["total"]["vessel"], first["total"]["aircraft"]) == (20_000, 10_000)
    assert size <= 700_000
    crowd(LiveKind.VESSEL, 5_000, now + 4)
    time.sleep(2 * TICK_SECONDS)  # each process reads Redis once a tick
    second, size = told(f"&since={first['next']}")
    assert len(second["vessel"]["id"]) == 5_000
    assert size <= 90_000
    nothing, size = told(f"&since={second['next']}")
    assert not any(nothing[kind]["id"] for kind in ("vessel", "aircraft"))
    assert size <= 400


def crowd(kind: LiveKind, count: int, now: float) -> None:
    """Targets all over the world, as they report: course, speed and place with as many digits as AIS has."""
    ship = kind is LiveKind.VESSEL
    state = LiveState(kind)
    for start in range(0, count, 1000):
        state.write(one(number, now, ship) for number in range(start, start + 1000))


def one(number: int, now: float, ship: bool) -> LiveUpdate:
    shared = {"source": f"feed{number % 5}", "score": 80, "heading": number * 7 % 360}
    own = {"speed": number % 250 / 10, "course": float(number % 360), "status": 0}
    flying = {
        "ground_speed": number % 500 * 1.0,
        "altitude": number % 400 * 100,
        "vertical_rate": 0,
        "on_ground": False,
    }
    static = {"name": f"SHIP {number:05}", "ship_type": 70} if ship else {"callsign": f"FLY{number:05}"}
    place = (number * 0.61803 % 140 - 70 + now % 7 / 1000, number * 0.7548777 % 360 - 180)
    key = str(200_000_000 + number) if ship else f"{number + 0x400000:06x}"
    return LiveUpdate(key, now - number % 4, *place, shared | (own if ship else flying), static=static)


def told(more: str) -> tuple[dict[str, Any], int]:
    """What changed in the world, and the bytes of it on the line."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        answer = Client().get(f"/api/live/changes/?bbox=-180,-90,180,90{more}", headers={"accept-encoding": "gzip"})
        assert answer.status_code == 200
        packed = answer.headers.get("Content-Encoding") == "gzip"
        body = answer.json() if not packed else json.loads(gzip.decompress(answer.content))
        if more or body["total"].get("aircraft") == 10_000 or time.monotonic() > deadline:
            return body, len(answer.content)
        time.sleep(0.3)
