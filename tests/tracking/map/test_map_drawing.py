"""Pixels of the layer of targets by itself: where a target is drawn, and how it looks with time."""

from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import pytest
from playwright.sync_api import Browser, Page
from pytest_django.live_server_helper import LiveServer

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

# A canvas of 200 by 200 pixels with the middle at 0 N 0 E, and one ship. `look` draws it and tells, in pixels from the
# middle, where the middle of what has a colour lies, how strong the strongest pixel is, and the pixel at the target.
SCENE = """
const canvas = document.body.appendChild(Object.assign(document.createElement("canvas"), { width: 200, height: 200 }));
const one = new store.Store(), begun = Date.now() / 1000, zoom = 12, scale = 512 * 2 ** zoom;
let now = begun;
one.clock = () => now; one.clear(begun);
const paper = new layer.Layer(canvas, one);
paper.resize(1);
const ship = () => one.set(0, "244660001", { lat: 0, lon: 0, heard: begun, speed: 20, course: 90, heading: 90 });
const look = (row, seconds) => {
  now = begun + seconds;
  paper.draw({ lon: 0, lat: 0, zoom, west: -0.05, east: 0.05 });
  const gl = paper.gl, data = new Uint8Array(200 * 200 * 4);
  gl.readPixels(0, 0, 200, 200, gl.RGBA, gl.UNSIGNED_BYTE, data);
  const [x, y] = one.drawn(row), place = [(x - geo.mercatorX(0)) * scale, (y - geo.mercatorY(0)) * scale];
  let sum = 0, across = 0, down = 0, strongest = 0;
  for (let at = 0; at < 40000; at++) {
    const alpha = data[at * 4 + 3];
    sum += alpha; across += alpha * ((at % 200) + 0.5 - 100); down += alpha * (100 - Math.floor(at / 200) - 0.5);
    strongest = Math.max(strongest, alpha);
  }
  const pixel = (Math.floor(100 - place[1]) * 200 + Math.floor(100 + place[0])) * 4;
  return { place, middle: [across / sum, down / sum], strongest, sum, there: [...data.slice(pixel, pixel + 4)] };
};
"""


@pytest.fixture(scope="module")
def blank(chromium: Browser, live_server: LiveServer) -> Iterator[Page]:
    """An empty page of this origin."""
    page = chromium.new_page(base_url=live_server.url)
    page.route("**/empty", lambda route: route.fulfill(body="<!DOCTYPE html><body>", content_type="text/html"))
    page.goto("/empty")
    yield page
    page.close()


def run(page: Page, script: str) -> Any:
    """What a script returns that has the scene."""
    words = ("store", "geo", "layer")
    loaded = ", ".join(f"import('/static/map/js/{name}.js')" for name in words)
    return page.evaluate(
        f"async () => {{ const [{', '.join(words)}] = await Promise.all([{loaded}]); {SCENE} {script} }}"
    )


def test_a_ship_is_drawn_where_it_should_be_now_within_a_pixel_and_stands_where_motion_is_off(blank: Page) -> None:
    told = run(
        blank,
        """
        const row = ship(), seen = [0, 30, 60, 90].map((seconds) => look(row, seconds));
        one.still = true;
        return [...seen, look(row, 90)];
        """,
    )
    off = told[0]["middle"][0]  # an arrow has more of its area behind its place
    assert -3 < off < 0
    for seen in told:
        x, y = seen["place"]
        assert seen["middle"] == pytest.approx([x + off, y], abs=1)
    places = [seen["place"][0] for seen in told]
    assert places[0] == pytest.approx(0, abs=0.01) and places[4] == pytest.approx(0, abs=0.01)
    steps = [after - before for before, after in pairwise(places[:4])]
    assert steps == pytest.approx([steps[0]] * 3) and steps[0] > 10


def test_a_ship_that_was_not_heard_for_long_is_hollow_and_pale(blank: Page) -> None:
    fresh, hollow, old = run(blank, "const row = ship(); return [1, 181, 900].map((seconds) => look(row, seconds))")
    assert fresh["there"][3] > 240
    assert hollow["there"][3] < fresh["there"][3] / 2
    assert hollow["strongest"] > 150  # its edge is still there
    assert old["strongest"] < 0.5 * fresh["strongest"]


def test_what_a_filter_hides_is_not_drawn(blank: Page) -> None:
    shown, hidden = run(
        blank,
        "const row = ship(), seen = look(row, 1); one.passes = () => false; one.rewrite(); return [seen, look(row, 1)]",
    )
    assert shown["sum"] > 0
    assert hidden["sum"] == 0
