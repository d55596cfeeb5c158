"""A real Chromium for tests: Debian's, driven by Playwright."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Browser, sync_playwright

from tests.support.patience import PATIENCE_SECONDS

CHROMIUM = Path("/usr/bin/chromium")
QUIET = ("--no-sandbox", "--no-first-run", "--disable-background-networking", "--disable-component-update")
NO_GRAPHICS = (*QUIET, "--disable-sync", "--disable-gpu")
# A graphics card that is none: WebGL works, and says nothing of frames a second.
SOFTWARE_GRAPHICS = (*QUIET, "--use-angle=swiftshader", "--enable-unsafe-swiftshader")


@contextmanager
def launched(arguments: tuple[str, ...] = NO_GRAPHICS) -> Iterator[Browser]:
    """A browser; the test skips where there is none."""
    if not CHROMIUM.exists():
        pytest.skip(f"needs {CHROMIUM}")
    with pytest.MonkeyPatch.context() as patch, sync_playwright() as playwright:
        # Playwright's loop runs in this thread, so Django takes it for an asynchronous one.
        patch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "1")
        browser = playwright.chromium.launch(
            executable_path=str(CHROMIUM), args=list(arguments), timeout=PATIENCE_SECONDS * 1000
        )
        yield browser
        browser.close()
