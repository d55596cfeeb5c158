"""A real Chromium on the pages as they are served: their policies forbid nothing that they need."""

import os
from collections.abc import Iterator

import pytest
from django.contrib import admin
from django.contrib.auth.models import User
from django.db import connections
from django.test import Client
from playwright.sync_api import Browser, Page
from pytest_django.live_server_helper import LiveServer

from tests.support.browser import launched
from tests.support.patience import PATIENCE_SECONDS

ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"]
LISTS = [f"/admin/{model._meta.app_label}/{model._meta.model_name}/" for model in admin.site._registry]
FORMS = ["/admin/auth/user/add/", "/admin/auth/group/add/", "/admin/ingest/feed/add/", "/admin/auth/user/1/change/"]
PAGES = ["/admin/", "/admin/password_change/", "/api/vessels/", "/status"]
pytestmark = [
    pytest.mark.browser,
    pytest.mark.django_db(transaction=True, reset_sequences=True),
]
# Runs before anything of a page; what the page's policy forbade is kept in the page.
WATCH = """
window.violations = [];
document.addEventListener("securitypolicyviolation", event =>
  window.violations.push(`${event.violatedDirective} ${event.blockedURI} ${event.sample} ${event.sourceFile}`));
"""


@pytest.fixture(scope="module")
def chromium(django_db_setup: None, live_server: LiveServer) -> Iterator[Browser]:
    """One browser for all."""
    with launched() as browser:
        yield browser


@pytest.fixture
def page(chromium: Browser, live_server: LiveServer) -> Iterator[Page]:
    """A page of a superuser. Fails at the end if a page raised an error of JavaScript."""
    errors: list[str] = []
    context = chromium.new_context(base_url=live_server.url)
    client = Client()
    client.force_login(User.objects.create_superuser("ada", password="let me in"))
    context.add_cookies([{"name": "sessionid", "value": client.cookies["sessionid"].value, "url": live_server.url}])
    context.add_init_script(WATCH)
    page = context.new_page()
    page.set_default_timeout(PATIENCE_SECONDS * 1000)
    page.on("pageerror", lambda error: errors.append(str(error)))
    yield page
    context.close()
    connections.close_all()
    assert errors == []


def violations(page: Page, path: str) -> list[str]:
    """What the policy of the page forbade while it was loaded."""
    page.goto(path, wait_until="networkidle")
    if shots := os.environ.get("SHOTS"):
        page.screenshot(path=f"{shots}/{path.strip('/').replace('/', '-') or 'root'}.png")
    return list(page.evaluate("window.violations"))


def test_the_policies_forbid_nothing_that_the_admin_the_api_and_the_status_page_need(page: Page) -> None:
    found = {path: violations(page, path) for path in [*PAGES, *FORMS, *LISTS]}
    assert {path: broken for path, broken in found.items() if broken} == {}


def test_the_documentation_is_shown_under_its_policy(page: Page) -> None:
    assert violations(page, "/api/docs/") == []
    page.locator(".opblock").first.wait_for()
    assert page.evaluate("window.violations") == []


def test_scripts_written_into_a_page_of_the_admin_do_not_run(page: Page) -> None:
    page.goto("/admin/", wait_until="networkidle")
    page.evaluate("""() => {
      const script = document.createElement("script");
      script.textContent = "window.ran = true";
      document.body.append(script);
      document.body.insertAdjacentHTML("beforeend", "<img src=/nowhere onerror='window.ran = true'>");
    }""")
    page.wait_for_function("window.violations.length >= 2")
    assert page.evaluate("window.ran") is None


def test_people_log_in_with_the_form(page: Page) -> None:
    page.context.clear_cookies()
    assert violations(page, "/admin/login/") == []
    page.fill("input[name=username]", "ada")
    page.fill("input[name=password]", "let me in")
    page.press("input[name=password]", "Enter")
    page.wait_for_url("**/admin/")
