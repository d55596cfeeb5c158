"""What responses say of themselves: policies of content, caching, TLS; and what a deployment is checked for."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.cache import caches
from django.http import HttpResponse
from django.test import Client, RequestFactory
from rest_framework.test import APIRequestFactory

from tracking.api.common.throttles import AnonymousRate
from tracking.web import headers
from tracking.web.networks import client_address

PROJECT = Path(__file__).resolve().parents[3]
TLS_SETTINGS = ("SECURE_SSL_REDIRECT", "SECURE_HSTS_SECONDS", "SESSION_COOKIE_SECURE", "CSRF_COOKIE_SECURE")
STRONG = "0123456789abcdefghijklmnopqrstuvwxyz0123456789abcdefghijklmnopqrstuvwxyz"


def policy(path: str, client: Client | None = None, **more: Any) -> dict[str, str]:
    """The directives of the page's policy."""
    header = (client or Client()).get(path, **more)["Content-Security-Policy"]
    return dict(part.strip().partition(" ")[::2] for part in header.split(";"))


@pytest.mark.django_db
@pytest.mark.parametrize(
    "path", ["/health/live", "/status?format=json", "/metrics", "/api/vessels/", "/api/live/vessels/", "/api/schema/"]
)
def test_what_is_no_page_may_load_nothing(path: str) -> None:
    assert policy(path, HTTP_ACCEPT="application/json, */*;q=0.1")["default-src"] == "'none'"


def test_a_script_may_ask_this_site_where_it_runs_as_a_worker() -> None:
    """A worker goes by the policy of its own response: with the strictest one the map's would get no tile."""
    script = HttpResponse(content_type='text/javascript; charset="utf-8"')
    assert headers.policy(RequestFactory().get("/static/map/worker.mjs"), script) == headers.WORKER
    assert "connect-src 'self'" in headers.WORKER


@pytest.mark.django_db
@pytest.mark.parametrize("path", ["/admin/login/", "/api/docs/", "/status", "/api/vessels/", "/nothing/here"])
def test_no_page_runs_scripts_written_into_it_or_is_framed(path: str) -> None:
    directives = policy(path, HTTP_ACCEPT="text/html")
    scripts = directives.get("script-src", directives["default-src"])
    assert "'unsafe-inline'" not in scripts
    assert ("'unsafe-eval'" in scripts) == path.startswith("/admin/")
    assert "http" not in scripts
    assert (directives["frame-ancestors"], directives["base-uri"]) == ("'none'", "'none'")


def test_the_status_page_loads_nothing_and_each_answer_has_a_nonce_of_its_own() -> None:
    pages = [Client().get("/status", HTTP_ACCEPT="text/html") for _ in range(2)]
    nonces = [page["Content-Security-Policy"].rpartition("'nonce-")[2].rstrip("'") for page in pages]
    assert len(set(nonces)) == 2
    for page, nonce in zip(pages, nonces, strict=True):
        assert f'<style nonce="{nonce}">'.encode() in page.content


@pytest.mark.django_db
@pytest.mark.parametrize("path", ["/admin/", "/admin/auth/user/", "/api/vessels/", "/api/feeds/", "/api/dead-letters/"])
def test_nobody_keeps_what_is_only_for_some(path: str) -> None:
    client = Client()
    client.force_login(User.objects.create_superuser("ada"))
    response = client.get(path)
    assert response.status_code == 200
    assert {"no-store", "private"} <= set(response["Cache-Control"].replace(" ", "").split(","))


@pytest.mark.django_db
@pytest.mark.parametrize("public", [True, False])
def test_live_state_may_be_kept_by_everybody_only_where_everybody_may_read_it(settings: Any, public: bool) -> None:
    settings.LIVE_PUBLIC = public
    client = Client()
    if not public:
        client.force_login(User.objects.create_superuser("ada"))
    response = client.get("/api/live/vessels/")
    assert response.status_code == 200
    assert ("public" in response["Cache-Control"]) == public


@pytest.mark.parametrize(("behind", "expected"), [(False, "192.0.2.1"), (True, "203.0.113.5")])
def test_only_a_proxy_of_ours_says_whose_a_request_is(settings: Any, behind: bool, expected: str) -> None:
    settings.BEHIND_PROXY = behind
    request = APIRequestFactory().get("/", REMOTE_ADDR="192.0.2.1", HTTP_X_FORWARDED_FOR="10.0.0.1, 203.0.113.5")
    assert client_address(request) == expected
    assert AnonymousRate().get_ident(request) == expected


@pytest.mark.django_db
def test_other_forwarded_addresses_are_no_way_round_the_rate(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.LIVE_PUBLIC = True
    monkeypatch.setattr(AnonymousRate, "rate", "3/min", raising=False)
    caches["default"].clear()
    client = Client(REMOTE_ADDR="192.0.2.77")
    codes = [client.get("/api/live/stations/", HTTP_X_FORWARDED_FOR=f"10.0.0.{n}").status_code for n in range(4)]
    assert codes == [200, 200, 200, 429]


def configured(code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """What manage.py says with the project's own settings and these variables."""
    base = {name: value for name, value in os.environ.items() if name not in {"DEBUG", "SECRET_KEY"}}
    return subprocess.run(
        [sys.executable, "manage.py", *code.split()],
        cwd=PROJECT,
        env={**base, "DJANGO_SETTINGS_MODULE": "tracking.settings", **environment},
        capture_output=True,
        text=True,
    )


def test_a_deployment_with_an_address_has_no_complaint() -> None:
    done = configured("check --deploy --fail-level WARNING", SECRET_KEY=STRONG, SITE_ADDRESS="tracking.example.org")
    assert done.returncode == 0, done.stderr
    assert "no issues" in done.stdout


@pytest.mark.parametrize("key", ["a", "k" * 60, STRONG[:49]])
def test_a_weak_secret_key_stops_the_start_and_the_message_names_the_fix(key: str) -> None:
    refused = configured("check", SECRET_KEY=key)
    assert refused.returncode != 0
    assert "SECRET_KEY" in refused.stderr
    assert "openssl rand -hex 32" in refused.stderr
    assert configured("check", SECRET_KEY=key, DEBUG="true").returncode == 0


@pytest.mark.parametrize(
    ("address", "expected"),
    [("tracking.example.org", ["True", "31536000", "True", "True"]), ("", ["False", "0", "False", "False"])],
)
def test_one_variable_turns_on_all_of_tls(address: str, expected: list[str]) -> None:
    code = "import tracking.settings as s; print(" + ", ".join(f"s.{name}" for name in TLS_SETTINGS) + ")"
    environment = {**os.environ, "SECRET_KEY": STRONG, "SITE_ADDRESS": address}
    said = subprocess.check_output([sys.executable, "-c", code], cwd=PROJECT, env=environment, text=True)
    assert said.split() == expected


def test_nothing_that_is_uploaded_is_written_to_a_file(settings: Any) -> None:
    assert settings.FILE_UPLOAD_HANDLERS == ["django.core.files.uploadhandler.MemoryFileUploadHandler"]
    assert settings.DATA_UPLOAD_MAX_MEMORY_SIZE <= 2**20
    assert settings.DATA_UPLOAD_MAX_NUMBER_FIELDS <= 1000
