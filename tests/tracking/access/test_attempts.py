"""Log-ins and keys: so many attempts, then 429 without a look at what was tried."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib.auth import authenticate
from django.contrib.auth.hashers import check_password
from django.contrib.auth.models import User
from django.core.cache import caches
from django.test import Client, RequestFactory
from django.test.client import WSGIRequest

from tracking.web import attempts
from tracking.web.attempts import OF_ADDRESS, OF_KEYS, OF_USER, OF_USER_AT_ADDRESS, TooManyAttempts

pytestmark = pytest.mark.django_db
LOGIN = "/admin/login/"


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[float]]:
    """Time stands still; no attempt was made yet."""
    now = [1_800_000_000.0]
    monkeypatch.setattr(attempts.time, "time", lambda: now[0])
    caches["attempts"].clear()
    caches["default"].clear()
    yield now
    caches["attempts"].clear()


@pytest.fixture(autouse=True)
def ada() -> User:
    return User.objects.create_superuser("ada", password="the right one")


def log_in(password: str, user: str = "ada", address: str = "192.0.2.1", **more: Any) -> int:
    data = {"username": user, "password": password}
    return Client(REMOTE_ADDR=address, **more).post(LOGIN, data).status_code


def fail(number: int, **where: Any) -> list[int]:
    return [log_in("wrong", **where) for _ in range(number)]


def test_after_some_wrong_passwords_the_right_one_is_refused_until_the_time_is_over(clock: list[float]) -> None:
    assert fail(OF_USER_AT_ADDRESS.number) == [200] * OF_USER_AT_ADDRESS.number
    refused = Client(REMOTE_ADDR="192.0.2.1").post(LOGIN, {"username": "ada", "password": "the right one"})
    assert refused.status_code == 429
    clock[0] += int(refused["Retry-After"])
    assert log_in("the right one") == 302


def test_a_refused_attempt_computes_no_hash(monkeypatch: pytest.MonkeyPatch) -> None:
    fail(OF_USER_AT_ADDRESS.number)
    computed: list[object] = []
    monkeypatch.setattr("django.contrib.auth.base_user.check_password", lambda *a, **k: computed.append(a))
    assert log_in("wrong") == 429
    assert computed == []
    assert check_password  # the name that is patched is the one Django imports


@pytest.mark.parametrize("spelling", ["Ada", " ada ", "ADA"])
def test_another_spelling_of_the_user_is_no_further_attempt(spelling: str) -> None:
    fail(OF_USER_AT_ADDRESS.number)
    assert log_in("wrong", user=spelling) == 429


def test_a_stranger_at_another_address_locks_nobody_out() -> None:
    fail(OF_USER_AT_ADDRESS.number + 1, address="198.51.100.7")
    assert log_in("the right one") == 302


def test_an_address_that_tries_many_users_is_refused() -> None:
    for number in range(OF_ADDRESS.number):
        assert log_in("wrong", user=f"user{number}") == 200
    assert log_in("the right one") == 429
    assert log_in("the right one", address="192.0.2.2") == 302


def test_addresses_of_one_ipv6_network_are_one() -> None:
    for number in range(OF_USER_AT_ADDRESS.number):
        fail(1, address=f"2001:db8::{number}")
    assert log_in("wrong", address="2001:db8::ffff") == 429
    assert log_in("the right one", address="2001:db8:0:1::1") == 302


def test_many_addresses_that_try_one_user_are_refused_but_not_where_the_user_logged_in_before() -> None:
    assert log_in("the right one") == 302
    for number in range(OF_USER.number):
        fail(1, address=f"198.51.100.{number}")
    assert log_in("wrong", address="203.0.113.1") == 429
    assert log_in("the right one") == 302


def test_refused_attempts_are_not_counted_against_the_user() -> None:
    fail(OF_USER.number * 2, address="198.51.100.7")
    assert log_in("wrong", address="203.0.113.1") == 200


def test_those_who_get_in_are_not_counted() -> None:
    assert [log_in("the right one") for _ in range(OF_ADDRESS.number * 2)] == [302] * OF_ADDRESS.number * 2


def test_the_limit_holds_while_every_redis_is_away(settings: Any) -> None:
    away = {**settings.CACHES["default"], "LOCATION": "redis://127.0.0.1:1/0"}
    settings.CACHES = {**settings.CACHES, "default": away}
    fail(OF_USER_AT_ADDRESS.number)
    assert log_in("wrong") == 429


@pytest.mark.parametrize(("behind", "expected"), [(False, 429), (True, 200)])
def test_a_forwarded_address_counts_only_behind_a_proxy(settings: Any, behind: bool, expected: int) -> None:
    settings.BEHIND_PROXY = behind
    for number in range(OF_ADDRESS.number):
        fail(1, user=f"user{number}", HTTP_X_FORWARDED_FOR=f"10.9.9.9, 203.0.113.{number}")
    assert log_in("wrong", HTTP_X_FORWARDED_FOR="203.0.113.99") == expected


def test_any_caller_of_authenticate_is_limited(rf: RequestFactory) -> None:
    request: WSGIRequest = rf.post("/anything", REMOTE_ADDR="192.0.2.1")
    for _ in range(OF_USER_AT_ADDRESS.number):
        assert authenticate(request, username="ada", password="wrong") is None
    with pytest.raises(TooManyAttempts):
        authenticate(request, username="ada", password="the right one")


@pytest.mark.parametrize("path", ["/api/vessels/", "/api/push/pier/"])
@pytest.mark.parametrize("scheme", ["Token", "Bearer"])
def test_wrong_keys_are_refused_by_address_before_anybody_looks_them_up(
    path: str, scheme: str, django_assert_num_queries: Any
) -> None:
    wrong = OF_KEYS.number
    counted = attempts.Count(OF_KEYS, "192.0.2.1")
    counted.add(wrong - 1)
    client = Client(REMOTE_ADDR="192.0.2.1", HTTP_AUTHORIZATION=f"{scheme} {'0' * 40}")
    send = client.post if "push" in path else client.get
    assert send(path).status_code == 401
    with django_assert_num_queries(0):
        refused = send(path)
    assert (refused.status_code, int(refused["Retry-After"]) > 0) == (429, True)
    assert refused.json()["detail"].startswith("Too many failed attempts.")
