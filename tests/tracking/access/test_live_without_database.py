"""The live API while PostgreSQL is dead or frozen: a real web server on servers of its own, with keys and without."""

import json
import os
import statistics
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from django_redis import get_redis_connection

from tests.faults.processes import free_port
from tests.support.own_servers import Servers, own_servers
from tests.support.patience import PATIENCE_SECONDS
from tracking import embedded
from tracking.connections import redis_pool_options
from tracking.embedded import processes

pytestmark = [pytest.mark.fault]

AT_ONCE_SECONDS = 2.0  # less than anything that waits for PostgreSQL takes
PROJECT = Path(__file__).resolve().parents[3]
SECRET = "hunter2-marker"
KEYS = {"used": "a" * 40, "unused": "b" * 40, "deleted": "c" * 40, "deactivated": "d" * 40}
PREPARE = f"""
import json, time
from django.conf import settings
from django.contrib.auth import get_user_model
from django.test import Client
from tracking.access.api_keys import ApiKey, Scope, hashed
from tracking.live.state import LiveKind, LiveState, LiveUpdate
users = get_user_model().objects
for name, key in {KEYS!r}.items():
    ApiKey.objects.create(key_hash=hashed(key), user=users.create_user(name), scopes=list(Scope))
client = Client()
client.force_login(users.create_user("browser"))
LiveState(LiveKind.VESSEL).write([LiveUpdate("211000001", time.time(), 54.0, 10.0)])
print(json.dumps(client.cookies[settings.SESSION_COOKIE_NAME].value))
"""
REVOKE = """
from django.contrib.auth import get_user_model
from tracking.access.api_keys import ApiKey
ApiKey.objects.get(user__username="deleted").delete()
user = get_user_model().objects.get(username="deactivated")
user.is_active = False
user.save()
"""


class Site(NamedTuple):
    """Two web servers on the same stores: one wants keys, one does not. `session` is the cookie of a browser."""

    servers: Servers
    environment: dict[str, str]
    closed: str
    public: str
    session: str


class Answer(NamedTuple):
    """What came, and after how long."""

    status: int
    body: bytes
    content_type: str
    seconds: float


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    with own_servers() as servers:
        url = embedded.postgres_url(servers.data_dir).replace("postgres@", f"postgres:{SECRET}@")
        unset = {"REDIS_URL", "QUEUE_REDIS_URL", "LIVE_REDIS_URL", "DATABASE_DIRECT_URL", "DJANGO_SETTINGS_MODULE"}
        environment = {name: value for name, value in os.environ.items() if name not in unset} | {
            "DATA_DIR": str(servers.data_dir),
            "DATABASE_URL": url,
            "API_RATE_ANONYMOUS": "10000/min",
            "DEBUG": "false",
        }
        manage(environment, "migrate", "--verbosity=0")
        session = json.loads(manage(environment, "shell", "--verbosity=0", "-c", PREPARE).splitlines()[-1])
        with served(environment, "false") as closed, served(environment, "true") as public:
            yield Site(servers, environment, closed, public, session)


@pytest.fixture(autouse=True)
def whole(site: Site) -> Iterator[None]:
    site.servers.mend()
    yield
    site.servers.mend()
    assert processes.wait_until(lambda: get(site.closed, "/health/ready").status == 200, PATIENCE_SECONDS)


def manage(environment: dict[str, str], *arguments: str) -> str:
    command = [sys.executable, "manage.py", *arguments]
    done = subprocess.run(
        command, cwd=PROJECT, env=environment, capture_output=True, text=True, timeout=2 * PATIENCE_SECONDS
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@contextmanager
def served(environment: dict[str, str], public: str) -> Iterator[str]:
    """The address of a web server with two threads."""
    port = free_port()
    command = [sys.executable, "manage.py", "web", f"--port={port}", "--processes=1", "--threads=2"]
    process = subprocess.Popen(
        command,
        cwd=PROJECT,
        env=environment | {"LIVE_PUBLIC": public},
        stderr=subprocess.DEVNULL,
    )
    url = f"http://127.0.0.1:{port}"
    try:
        assert processes.wait_until(lambda: get(url, "/health/ready").status == 200, PATIENCE_SECONDS)
        yield url
    finally:
        process.terminate()
        process.wait(PATIENCE_SECONDS)


def get(url: str, path: str, **headers: str) -> Answer:
    """Status 0: nobody listens."""
    started = time.monotonic()
    request = urllib.request.Request(url + path, headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=20) as response:
            status, body, found = response.status, response.read(), response.headers
    except urllib.error.HTTPError as error:
        status, body, found = error.code, error.read(), error.headers
    except OSError:
        return Answer(0, b"", "", 0.0)
    return Answer(status, body, found.get("Content-Type", ""), time.monotonic() - started)


def live(url: str, **headers: str) -> Answer:
    return get(url, "/api/live/vessels/", **headers)


def token(name: str) -> dict[str, str]:
    return {"Authorization": f"Token {KEYS[name]}"}


def ids(answer: Answer) -> list[str]:
    assert answer.status == 200, answer
    return [document["id"] for document in json.loads(answer.body)["results"]]


def harm(site: Site, way: str) -> None:
    site.servers.kill("postgres") if way == "kill" else site.servers.freeze("postgres")


def served_at_once(site: Site, way: str, url: str, carried: list[dict[str, str]]) -> bool:
    """Whether nobody waits when PostgreSQL has just gone; all are served in any case.

    To be asked again where not: the machine may have stood still.
    """
    site.servers.mend()
    harm(site, way)
    answers = [live(url, **headers) for headers in carried]
    assert [ids(answer) for answer in answers] == [["211000001"]] * len(carried)
    return max(answer.seconds for answer in answers) < AT_ONCE_SECONDS


@pytest.mark.parametrize("way", ["kill", "freeze"])
def test_public_live_state_serves_on_whatever_a_request_carries(site, way):
    carried: list[dict[str, str]] = [{}, {"Cookie": f"sessionid={site.session}"}, token("unused")]
    assert [ids(live(site.public, **headers)) for headers in carried] == [["211000001"]] * 3
    assert any(served_at_once(site, way, site.public, carried) for _ in range(3))


@pytest.mark.parametrize("way", ["kill", "freeze"])
def test_a_key_and_a_session_that_were_used_before_go_on(site, way):
    carried = [token("used"), {"Cookie": f"sessionid={site.session}"}]
    assert [ids(live(site.closed, **headers)) for headers in carried] == [["211000001"]] * 2
    assert live(site.closed).status == live(site.closed, Authorization=f"Token {'0' * 40}").status == 401
    assert any(served_at_once(site, way, site.closed, carried * 3) for _ in range(3))
    assert live(site.closed).status == 401


def test_a_key_nobody_has_used_lately_is_a_503_while_the_database_is_away(site):
    site.servers.kill("postgres")
    answer = live(site.closed, **token("unused"))
    assert answer.status == 503 and answer.content_type == "application/json"
    assert "database" in json.loads(answer.body)["detail"]


def test_an_old_copy_is_believed_while_the_database_is_away_and_renewed_when_it_is_back(site, settings):
    ids(live(site.closed, **token("used")))
    redis = live_redis(site, settings)
    (place,) = [key for key in redis.scan_iter("tracking:api:key:*") if json.loads(redis.get(key))["user"] == 1]
    old = json.dumps({"user": 1, "verified_at": time.time() - 3600})
    redis.set(place, old, ex=100)
    site.servers.kill("postgres")
    for _ in range(3):
        ids(live(site.closed, **token("used")))
    assert json.loads(redis.get(place)) == json.loads(old)
    site.servers.start()
    assert processes.wait_until(
        lambda: ids(live(site.closed, **token("used"))) and redis.ttl(place) > 86_000, PATIENCE_SECONDS
    )


def live_redis(site: Site, settings: Any) -> Any:
    url = embedded.redis_url(site.servers.data_dir, "live")
    options = {"CONNECTION_POOL_KWARGS": redis_pool_options(url, site.servers.data_dir)}
    cache = {"BACKEND": "django_redis.cache.RedisCache", "LOCATION": url, "OPTIONS": options}
    settings.CACHES = settings.CACHES | {"live": cache}
    return get_redis_connection("live")


def test_a_deleted_key_and_a_deactivated_user_are_refused_at_once(site):
    for name in ("deleted", "deactivated"):
        ids(live(site.closed, **token(name)))
    manage(site.environment, "shell", "--verbosity=0", "-c", REVOKE)
    for name in ("deleted", "deactivated"):
        assert live(site.closed, **token(name)).status == 401


def test_a_revocation_that_no_signal_told_is_found_by_the_next_look(site, settings):
    ids(live(site.closed, **token("used")))
    redis = live_redis(site, settings)
    (place,) = [key for key in redis.scan_iter("tracking:api:key:*") if json.loads(redis.get(key))["user"] == 1]
    switch = "from django.contrib.auth import get_user_model as g; g().objects.filter(pk=1).update(is_active={})"
    manage(site.environment, "shell", "--verbosity=0", "-c", switch.format(False))
    redis.set(place, json.dumps({"user": 1, "verified_at": time.time() - 61}), ex=100)
    assert processes.wait_until(lambda: live(site.closed, **token("used")).status == 401, PATIENCE_SECONDS)
    manage(site.environment, "shell", "--verbosity=0", "-c", switch.format(True))


@pytest.mark.parametrize("path", ["/api/vessels/", "/api/aircraft/4ca7b3/", "/api/feeds/", "/api/dead-letters/"])
def test_the_rest_of_the_api_is_a_clean_503(site, path):
    session = {"Cookie": f"sessionid={site.session}"}
    headers = [token("used"), session, {**session, "Accept": "text/html"}]
    site.servers.kill("postgres")
    for carried in headers:
        answer = get(site.closed, path, **carried)
        assert (answer.status, answer.content_type) == (503, "application/json"), answer
        assert set(json.loads(answer.body)) == {"detail"}


@pytest.mark.parametrize("way", ["kill", "freeze"])
def test_the_status_page_is_served_in_time(site, way):
    assert processes.wait_until(
        lambda: json.loads(get(site.closed, "/status?format=json").body)["status"] == "ok", PATIENCE_SECONDS
    )
    harm(site, way)
    answers = [get(site.closed, "/status?format=json", Cookie=f"sessionid={site.session}") for _ in range(9)]
    assert {answer.status for answer in answers} == {200}
    assert statistics.median(answer.seconds for answer in answers) < 0.5, answers
    assert processes.wait_until(
        lambda: json.loads(get(site.closed, "/status?format=json").body)["sections"]["postgresql"]["state"] == "down",
        PATIENCE_SECONDS,
    )
    told = b"".join(get(site.closed, path).body for path in ("/status", "/status?format=json", "/metrics")).decode()
    assert SECRET not in told and str(site.servers.data_dir) not in told
