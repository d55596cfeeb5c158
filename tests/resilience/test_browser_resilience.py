"""An operator in a real Chromium: trips and resets a breaker, retries one dead letter and discards another."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from django.contrib.auth.models import User
from django.db import connections
from playwright.sync_api import Page, sync_playwright
from pytest_django.live_server_helper import LiveServer

from resilience import dead_letters
from resilience.breaker import Phase, get_breaker
from resilience.models import DeadLetter
from tests.resilience.letters import RecordingHandler, forget_breakers, make_letter

CHROMIUM = Path("/usr/bin/chromium")
ARGUMENTS = [
    *["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"],
    *["--disable-component-update", "--disable-sync"],
]
pytestmark = [
    pytest.mark.browser,
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(not CHROMIUM.exists(), reason=f"needs {CHROMIUM}"),
]


@pytest.fixture(autouse=True)
def closed_breakers() -> Iterator[None]:
    forget_breakers()
    yield
    forget_breakers()


@pytest.fixture(autouse=True)
def handler(monkeypatch: pytest.MonkeyPatch) -> RecordingHandler:
    # Playwright's loop runs in this thread, so Django takes it for an asynchronous one.
    monkeypatch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "1")
    monkeypatch.setattr(dead_letters, "_handlers", {})
    handler = RecordingHandler()
    dead_letters.register("test", handler)
    return handler


@pytest.fixture
def operator(live_server: LiveServer, handler: RecordingHandler) -> Iterator[Page]:
    """Logged in, on the front page of the admin. Fails at the end if a page raised an error of JavaScript."""
    User.objects.create_superuser("ada", password="let me in")
    errors: list[str] = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=ARGUMENTS)
        page = browser.new_page(base_url=live_server.url)
        page.set_default_timeout(15_000)
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.goto("/admin/")
        page.fill("#id_username", "ada")
        page.fill("#id_password", "let me in")
        page.get_by_role("button", name="Log in").click()
        page.wait_for_url("**/admin/")
        yield page
        browser.close()
        # Within Playwright's loop Django has a connection of its own, which would stop the database from being dropped.
        connections.close_all()
    assert errors == []


def phase(name: str) -> Phase:
    return get_breaker(name).snapshot().state.phase


def test_an_operator_trips_a_breaker_and_resets_it(operator: Page) -> None:
    operator.goto("/admin/resilience/switchboard/")
    database = operator.locator("#breaker-database")
    database.get_by_role("link", name="Trip").click()
    operator.get_by_role("button", name="Trip").click()
    operator.get_by_text("This field is required").wait_for()
    assert phase("database") is Phase.CLOSED

    operator.fill("[name=reason]", "upgrade of PostgreSQL")
    operator.get_by_role("button", name="Trip").click()
    database.get_by_text("tripped by ada: upgrade of PostgreSQL").wait_for()
    assert phase("database") is Phase.FORCED_OPEN

    database.get_by_role("link", name="Reset").click()
    operator.fill("[name=reason]", "done")
    operator.get_by_role("button", name="Reset").click()
    database.get_by_text("reset by ada: done").wait_for()
    assert phase("database") is Phase.CLOSED


def test_an_operator_retries_a_letter_from_its_page(operator: Page, handler: RecordingHandler) -> None:
    letter = make_letter(ordinal=7)
    operator.goto("/admin/resilience/deadletter/")
    operator.get_by_role("link", name=letter.reason).click()
    operator.get_by_text(letter.raw.decode()).wait_for()
    operator.get_by_role("link", name="Retry now").click()
    operator.get_by_role("button", name="Retry now").click()
    operator.get_by_text("Retried: 1 resolved.").wait_for()
    assert handler.replayed == [7]


def test_an_operator_discards_what_is_ticked_and_nothing_else(operator: Page) -> None:
    letters = [make_letter(ordinal=ordinal) for ordinal in range(3)]
    operator.goto("/admin/resilience/deadletter/")
    for letter in letters[:2]:
        operator.locator(f"input.action-select[value='{letter.pk}']").check()
    operator.select_option("select[name=action]", "discard_selected")
    operator.get_by_role("button", name="Run").click()
    operator.get_by_text("Discard 2 dead letters?").wait_for()
    operator.fill("[name=reason]", "a broken station")
    operator.get_by_role("button", name="Discard").click()
    operator.get_by_text("2 of 2 discarded.").wait_for()
    assert list(DeadLetter.objects.filter(status="pending")) == [letters[2]]
