"""People in a real Chromium: every action on breakers and dead letters is tried, with what it asks, what it says and
what it writes into the admin's log, and by somebody who may not."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import User
from django.db import connections
from django.test import Client
from playwright.sync_api import Browser, Page
from pytest_django.live_server_helper import LiveServer

from resilience import tasks
from resilience.breaker.registry import Phase, get_breaker
from resilience.letters import redrive
from resilience.models import DeadLetter, LetterJob
from tests.resilience.conftest import UserWith
from tests.support.browser import launched
from tests.support.letters import SENTENCE, RecordingHandler, make_letter
from tests.support.patience import PATIENCE_SECONDS

LIST = "/admin/resilience/deadletter/"
pytestmark = [
    pytest.mark.browser,
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("handler", "queue"),
]
Visit = Callable[[User], Page]


@pytest.fixture(scope="module")
def chromium(django_db_setup: None, live_server: LiveServer) -> Iterator[Browser]:
    """One browser for all; each test has a context, that is cookies, of its own."""
    with launched() as browser:
        yield browser


@pytest.fixture
def visit(chromium: Browser, live_server: LiveServer) -> Iterator[Visit]:
    """A page of somebody who is logged in. Fails at the end if a page raised an error of JavaScript."""
    errors: list[str] = []
    context = chromium.new_context(base_url=live_server.url)

    def log_in(user: User) -> Page:
        client = Client()
        client.force_login(user)  # the form is Django's
        session = client.cookies["sessionid"].value
        context.add_cookies([{"name": "sessionid", "value": session, "url": live_server.url}])
        page = context.new_page()
        page.set_default_timeout(PATIENCE_SECONDS * 1000)
        page.on("pageerror", lambda error: errors.append(str(error)))
        return page

    yield log_in
    context.close()
    # Within Playwright's loop Django has a connection of its own, which would stop the database from being dropped.
    connections.close_all()
    assert errors == []


@pytest.fixture
def operator(visit: Visit) -> Page:
    """Somebody who may do everything."""
    return visit(User.objects.create_superuser("ada", password="let me in"))


@pytest.fixture
def onlooker(visit: Visit, user_with: UserWith) -> Page:
    """Somebody who may look at all of it and do nothing."""
    return visit(user_with("view_deadletter", "view_breaker"))


def phase(name: str) -> Phase:
    return get_breaker(name).snapshot().state.phase


def logged() -> list[str]:
    return list(LogEntry.objects.order_by("pk").values_list("change_message", flat=True))


def tick(page: Page, action: str, *letters: DeadLetter) -> None:
    """Choose letters in the list and an action for them."""
    page.goto(LIST)
    for letter in letters:
        page.locator(f"input.action-select[value='{letter.pk}']").check()
    page.select_option("select[name=action]", action)


def run(page: Page) -> None:
    page.get_by_role("button", name="Run").click()


# --- breakers ---------------------------------------------------------------------------------------------------------
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
    operator.get_by_role("button", name="Reset").click()
    operator.get_by_text("This field is required").wait_for()
    assert phase("database") is Phase.FORCED_OPEN

    operator.fill("[name=reason]", "done")
    operator.get_by_role("button", name="Reset").click()
    database.get_by_text("reset by ada: done").wait_for()
    assert phase("database") is Phase.CLOSED
    assert [("upgrade of PostgreSQL" in text, "done" in text) for text in logged()] == [(True, False), (False, True)]


def test_an_onlooker_sees_breakers_and_can_neither_trip_nor_reset(onlooker: Page) -> None:
    onlooker.goto("/admin/resilience/switchboard/")
    onlooker.locator("#breaker-database").get_by_text("Calls pass.").wait_for()
    assert onlooker.get_by_role("link", name="Trip").count() == onlooker.get_by_role("link", name="Reset").count() == 0
    for action in ("trip", "reset"):
        response = onlooker.goto(f"/admin/resilience/switchboard/database/{action}/")
        assert response is not None and response.status == 403
    assert (phase("database"), logged()) == (Phase.CLOSED, [])


# --- one letter -------------------------------------------------------------------------------------------------------
def test_an_operator_retries_a_letter_from_its_page(operator: Page, handler: RecordingHandler) -> None:
    letter = make_letter(ordinal=7, traceback="Traceback: here")
    operator.goto(LIST)
    operator.locator("#result_list").get_by_role("link", name=letter.reason).click()
    operator.get_by_text(letter.raw.decode()).first.wait_for()
    operator.get_by_text("Traceback: here").wait_for()
    operator.get_by_role("link", name="Retry now").click()
    operator.get_by_role("button", name="Retry now").click()
    operator.get_by_text("Retried: 1 resolved.").wait_for()
    operator.get_by_text("retry by ada: resolved, stored").wait_for()
    assert handler.replayed == [7]
    assert logged() == ["Retried: resolved, stored."]


def test_an_operator_mends_a_letter_and_retries_it(operator: Page, handler: RecordingHandler) -> None:
    letter = make_letter()
    operator.goto(f"{LIST}{letter.pk}/change/")
    operator.get_by_role("link", name="Edit and retry").click()
    operator.fill("[name=message]", "rubbish")
    operator.get_by_role("button", name="Save and retry").click()
    operator.get_by_text("This cannot be decoded: no_sentence.").wait_for()
    operator.fill("[name=message]", "mended by hand")
    operator.get_by_role("button", name="Save and retry").click()
    operator.get_by_text("Retried: 1 resolved.").wait_for()
    operator.get_by_text("Edited message").wait_for()
    operator.get_by_text(SENTENCE.decode()).first.wait_for()
    assert handler.payloads == [b"mended by hand"]
    assert logged() == ["Edited and retried: resolved, stored."]


def test_an_operator_discards_a_letter_from_its_page(operator: Page) -> None:
    letter = make_letter()
    operator.goto(f"{LIST}{letter.pk}/change/")
    operator.get_by_role("link", name="Discard").click()
    operator.get_by_role("button", name="Discard").click()
    operator.get_by_text("This field is required").wait_for()
    operator.fill("[name=reason]", "a broken station")
    operator.get_by_role("button", name="Discard").click()
    operator.get_by_text("1 of 1 discarded.").wait_for()
    assert operator.get_by_role("link", name="Retry now").count() == 0
    assert logged() == ["Discarded: a broken station"]


# --- ticked letters ---------------------------------------------------------------------------------------------------
def test_an_operator_retries_what_is_ticked_and_nothing_else(operator: Page, handler: RecordingHandler) -> None:
    letters = [make_letter(ordinal=ordinal) for ordinal in range(3)]
    tick(operator, "retry_selected", *letters[:2])
    run(operator)
    operator.get_by_text("Retried: 2 resolved.").wait_for()
    assert sorted(handler.replayed) == [0, 1]
    assert logged() == ["Retried: resolved, stored."] * 2


def test_an_operator_discards_what_is_ticked_and_nothing_else(operator: Page) -> None:
    letters = [make_letter(ordinal=ordinal) for ordinal in range(3)]
    tick(operator, "discard_selected", *letters[:2])
    run(operator)
    operator.get_by_text("Discard 2 dead letters?").first.wait_for()
    operator.fill("[name=reason]", "a broken station")
    operator.get_by_role("button", name="Discard").click()
    operator.get_by_text("2 of 2 discarded.").wait_for()
    assert list(DeadLetter.objects.filter(status="pending")) == [letters[2]]
    assert logged() == ["Discarded: a broken station"] * 2


@pytest.mark.parametrize("format_", ["csv", "ndjson"])
def test_an_operator_exports_what_is_ticked_and_what_the_filter_shows(operator: Page, format_: str) -> None:
    ticked, other = make_letter(message="=1+1"), make_letter(reason="other")
    tick(operator, f"export_{format_}", ticked)
    with operator.expect_download() as download:
        run(operator)
    text = Path(download.value.path()).read_text()
    assert (str(ticked.pk) in text, str(other.pk) in text) == (True, False)
    assert ("'=1+1" in text) == (format_ == "csv")

    operator.goto(f"{LIST}?reason=other")
    with operator.expect_download() as download:
        operator.get_by_role("link", name=f"Export {format_.upper()}").click()
    assert download.value.suggested_filename.endswith(f".{format_}")
    text = Path(download.value.path()).read_text()
    assert (str(ticked.pk) in text, str(other.pk) in text) == (False, True)
    assert logged() == [f"Exported as {format_}: 1 ticked.", f"Exported as {format_}: reason other."]


# --- everything that the filter shows ---------------------------------------------------------------------------------
def test_an_operator_retries_a_whole_group_by_a_job_and_follows_it(operator: Page, handler: RecordingHandler) -> None:
    for ordinal in range(3):
        make_letter(ordinal=ordinal, fingerprint="00ff")
    make_letter(ordinal=9, fingerprint="11ee", reason="other")
    operator.goto(LIST)
    operator.get_by_role("link", name="Groups", exact=True).click()
    operator.get_by_role("link", name="check_violation").click()
    operator.get_by_role("link", name="Retry all shown").click()
    operator.get_by_text("fingerprint 00ff").wait_for()
    make_letter(ordinal=10, fingerprint="00ff")  # died since the question
    operator.get_by_role("button", name="Retry 3").click()
    operator.get_by_text("The job is in the queue.").wait_for()
    tasks.retry_selection(str(LetterJob.objects.get().pk))
    operator.get_by_text("3 of 3 letters").wait_for()  # the page follows by itself
    assert sorted(handler.replayed) == [0, 1, 2]
    assert logged() == ["Started: retry fingerprint 00ff."]


def test_an_operator_discards_all_that_a_filter_shows(operator: Page, handler: RecordingHandler) -> None:
    for ordinal in range(2):
        make_letter(ordinal=ordinal)
    make_letter(ordinal=9, source="roof")
    operator.goto(f"{LIST}?source=harbour")
    operator.get_by_role("link", name="Discard all shown").click()
    operator.get_by_role("button", name="Discard 2").click()
    operator.get_by_text("This field is required").wait_for()
    operator.fill("[name=reason]", "a broken station")
    operator.get_by_role("button", name="Discard 2").click()
    operator.get_by_text("The job is in the queue.").wait_for()
    tasks.discard_selection(str(LetterJob.objects.get().pk))
    operator.get_by_text("2 of 2 letters").wait_for()
    assert sorted(handler.given_up) == [0, 1]
    assert logged() == ["Started: discard feed harbour. Reason: a broken station"]


def test_an_operator_cancels_a_job(operator: Page, handler: RecordingHandler) -> None:
    make_letter()
    operator.goto(f"{LIST}everything/retry/")
    operator.get_by_role("button", name="Retry 1").click()
    operator.get_by_role("link", name="Cancel").click()
    operator.get_by_role("button", name="Cancel the job").click()
    operator.get_by_text("The job is cancelled.").wait_for()
    job = LetterJob.objects.get()
    redrive.work(job.pk)
    assert (job.status, handler.replayed, logged()[-1]) == ("cancelled", [], "Cancelled.")


def test_an_onlooker_sees_letters_and_can_do_nothing(onlooker: Page, handler: RecordingHandler) -> None:
    letter = make_letter(traceback="Traceback: here")
    onlooker.goto(LIST)
    bar = onlooker.get_by_role("navigation", name="Everything that the filter shows").get_by_role("link")
    assert [text.split()[-1] for text in bar.all_inner_texts()] == ["Groups", "Jobs"]
    onlooker.goto(f"{LIST}{letter.pk}/change/")
    onlooker.get_by_text(SENTENCE.decode()).first.wait_for()
    assert onlooker.get_by_text("Traceback: here").count() == 0
    pages = [f"{letter.pk}/{action}/" for action in ("retry", "edit", "discard")]
    for page in (*pages, "everything/retry/", "everything/discard/", "everything/export/csv/"):
        response = onlooker.goto(LIST + page)
        assert response is not None and response.status == 403, page
    assert (handler.replayed, handler.given_up, logged(), LetterJob.objects.count()) == ([], [], [], 0)
