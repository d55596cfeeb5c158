"""`python -m tests.pictures`: pictures of a running demo, for the README and the handbook.

Starts `manage.py up` with data of its own (or takes one that runs: --url, --user and --password), waits until the
simulated ships and aircraft move, and writes PNG files into tracking/static/handbook/. A picture of MAX_BYTES or more
is an error: they are part of the repository.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal, NamedTuple

from playwright.sync_api import Page, ViewportSize, sync_playwright

from tests.support.browser import CHROMIUM, SOFTWARE_GRAPHICS
from tests.support.patience import PATIENCE_SECONDS
from tracking.embedded import paths

PROJECT = Path(__file__).resolve().parents[2]
PICTURES = PROJECT / "tracking/static/handbook"
MAX_BYTES = 150_000
SETTLED_SECONDS = 75  # after a minute the feeds have rates, and the lists are full
ANSWERED_SECONDS = 3
PASSWORD = re.compile(r"user (\S+), password (\S+)")


class Demo(NamedTuple):
    """Where the demo is, and who may see everything."""

    url: str
    user: str
    password: str


class Picture(NamedTuple):
    """A file and the page it shows, in pixels; the admin has its side bar from 1280 on.

    `ready`: a selector of what is there once there is something to see; `click`: what is chosen before the picture.
    """

    name: str
    path: str
    width: int = 1440
    height: int = 700
    scheme: Literal["light", "dark"] = "light"
    ready: str = "body"
    click: str = ""


MOVING = '#inview:not(:text-is("0 in view"))'
TAKEN = (
    Picture(*("map", "/#5/51/1"), width=1024, height=640, scheme="dark", ready=MOVING),
    Picture(*("map-light", "/#7/51.2/1.8"), width=1152, height=720, ready=MOVING, click=".row >> nth=2"),
    Picture(*("map-phone", "/#6/51.2/1.8"), width=390, height=844, scheme="dark", ready="canvas"),
    Picture("desk", "/admin/", height=900, scheme="dark", ready=".verdict"),
    Picture("vessels", "/admin/tracking/vessel/"),
    Picture("feeds", "/admin/ingest/feed/", height=380),
    Picture("status", "/status", width=1100, height=1020),
)


def main(arguments: list[str]) -> int:
    """Take all pictures once; the exit code says whether all are small enough."""
    options = _options(arguments)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # so that the demo ends too
    if options.url:
        return _take(Demo(options.url, options.user, options.password))
    with _demo(options.port) as demo:
        time.sleep(SETTLED_SECONDS)
        return _take(demo)


def _take(demo: Demo) -> int:
    PICTURES.mkdir(exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=list(SOFTWARE_GRAPHICS))
        sizes = {}
        for picture in TAKEN:
            context = browser.new_context(base_url=demo.url, viewport=_size(picture), color_scheme=picture.scheme)
            page = context.new_page()
            _log_in(page, demo)
            sizes[picture.name] = _shoot(page, picture)
            context.close()
        browser.close()
    for name, size in sizes.items():
        sys.stdout.write(f"{name}.png: {size / 1000:.0f} kB{'' if size < MAX_BYTES else ', too large'}\n")
    return 0 if max(sizes.values()) < MAX_BYTES else 1


def _log_in(page: Page, demo: Demo) -> None:
    page.goto("/admin/login/")
    page.fill("input[name=username]", demo.user)
    page.fill("input[name=password]", demo.password)
    page.press("input[name=password]", "Enter")
    page.wait_for_url("**/admin/")


def _shoot(page: Page, picture: Picture) -> int:
    """Bytes of the file."""
    page.goto(picture.path)
    page.wait_for_timeout(ANSWERED_SECONDS * 1000)  # /status shows what it was told after the visit before
    page.reload(wait_until="load")
    page.wait_for_selector(picture.ready, timeout=PATIENCE_SECONDS * 1000)
    if picture.click:
        page.click(picture.click)
    page.wait_for_timeout(ANSWERED_SECONDS * 1000)  # the last tiles
    file = PICTURES / f"{picture.name}.png"
    page.screenshot(path=file, animations="disabled")
    return file.stat().st_size


def _size(picture: Picture) -> ViewportSize:
    return {"width": picture.width, "height": picture.height}


@contextmanager
def _demo(port: int) -> Iterator[Demo]:
    """A demo of its own, from empty data to its end."""
    directory = Path(tempfile.mkdtemp(prefix="tracking-pictures-"))
    if paths.is_root():
        directory.chmod(0o711)  # PostgreSQL runs as another user below it
    command = [sys.executable, "manage.py", "up", f"--port={port}"]
    environment = {**os.environ, "DATA_DIR": str(directory / "data"), "DJANGO_SETTINGS_MODULE": "tracking.settings"}
    log = directory / "log"
    with log.open("wb") as output:
        process = subprocess.Popen(command, cwd=PROJECT, env=environment, stdout=output, stderr=output)
    url = f"http://127.0.0.1:{port}"
    try:
        _wait_until_ready(url, process, log)
        user, password = PASSWORD.search(log.read_text()).groups()  # type: ignore[union-attr]
        yield Demo(url, user, password)
    finally:
        process.terminate()
        process.wait(PATIENCE_SECONDS)
        shutil.rmtree(directory)


def _wait_until_ready(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + 2 * PATIENCE_SECONDS
    while process.poll() is None and time.monotonic() < end:
        try:
            with urllib.request.urlopen(f"{url}/health/ready", timeout=5):
                return
        except OSError:
            time.sleep(0.5)
    raise SystemExit(f"the demo did not start:\n{log.read_text()[-2000:]}")


def _options(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.pictures", description="Take the handbook's pictures.")
    parser.add_argument("--port", type=int, default=8765, help="of the demo that is started (default 8765)")
    parser.add_argument("--url", help="take the pictures of a demo that runs, with --user and --password")
    parser.add_argument("--user", default="admin", help="(default admin)")
    parser.add_argument("--password", default="", help="of that user")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit(130)
