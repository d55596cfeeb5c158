"""What a test sees of the map's page beside its elements: pixels of the screen, and the map and the store themselves.

The page keeps both to itself, so they are caught when it next calls them: modules are loaded once a page.
"""

import zlib
from pathlib import Path

from django.contrib.staticfiles import finders
from playwright.sync_api import JSHandle, Page

Colour = tuple[int, int, int]
# Texts in the rows of the list, from its first to its last one: only what is near is in the document.
_LISTED = """([rows, part]) => {
    const list = document.getElementById("list"), texts = new Map(), before = list.scrollTop;
    const size = () => +list.querySelector("li[aria-setsize]")?.ariaSetSize || 0;
    for (let top = 0; top === 0 || top < list.scrollHeight; top += 400) {
      list.scrollTop = top;
      list.dispatchEvent(new Event("scroll"));  // not with the next frame
      for (const one of list.querySelectorAll("li[aria-posinset]")) {
        const found = one.querySelector(`${rows} ${part}`);
        texts.set(+one.ariaPosInSet, found && found.innerText);
      }
    }
    if (texts.size !== size()) throw new Error(`${texts.size} rows of ${size()}`);
    list.scrollTop = before;
    return [...texts].sort(([a], [b]) => a - b).map(([, text]) => text).filter((text) => text !== null);
}"""
_CAUGHT = """([address, name, method]) => import(address).then((module) => new Promise((found) => {
    const kind = module[name].prototype, usual = kind[method], own = Object.hasOwn(kind, method);
    kind[method] = function (...given) {
      if (own) kind[method] = usual; else delete kind[method];
      found(this);
      return usual.apply(this, given);
    };
}))"""


def the_map(page: Page) -> JSHandle:
    """MapLibre's map, when it is next drawn."""
    vendored = Path(str(finders.find("map/vendor")))
    [library] = vendored.glob("maplibre-gl-*/maplibre-gl.mjs")
    return caught(page, f"vendor/{library.relative_to(vendored).as_posix()}", "Map", "getCenter")


def caught(page: Page, module: str, name: str, method: str) -> JSHandle:
    """The object of class `name` of a module of the map, when it next calls `method`."""
    return page.evaluate_handle(_CAUGHT, [f"/static/map/{module}", name, method])


def listed(page: Page, part: str, rows: str = ".row") -> list[str]:
    """What all rows of the list that match `rows` say in a part of theirs."""
    found: list[str] = page.evaluate(_LISTED, [rows, part])
    return found


def colour_at(page: Page, x: float, y: float) -> Colour:
    """The colour of the page's pixel that a point lies in."""
    picture = page.screenshot(clip={"x": int(x), "y": int(y), "width": 1, "height": 1})
    place = picture.index(b"IDAT")  # the first part of the data: a filter's byte, nothing for one pixel, and colours
    part = picture[place + 4 : place + 4 + int.from_bytes(picture[place - 4 : place])]
    red, green, blue = zlib.decompressobj().decompress(part)[1:4]
    return red, green, blue


def place_of(page: Page, chart: JSHandle, latitude: float, longitude: float) -> tuple[float, float]:
    """Where on the page a place is, of the copy of the world that the longitude says."""
    box = page.locator("#stage").bounding_box()
    assert box
    x, y = chart.evaluate(
        "(map, place) => { const { x, y } = map.project(place); return [x, y]; }", [longitude, latitude]
    )
    return box["x"] + x, box["y"] + y
