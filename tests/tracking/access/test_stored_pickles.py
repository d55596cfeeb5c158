"""Whoever can write to the live Redis runs no code here: sessions and cache entries are JSON."""

import pickle
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.cache import caches
from django.test import Client
from django_redis import get_redis_connection

pytestmark = pytest.mark.django_db


class Hostile:
    """Touches a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return Path.touch, (self.path,)


@pytest.mark.parametrize("alias", ["default", "live", "queue"])
def test_a_pickle_in_a_cache_is_not_opened(alias: str, tmp_path: Path) -> None:
    trap = tmp_path / "ran"
    cache = caches[alias]
    cache.set("entry", {"a": 1})
    get_redis_connection(alias).set(cache.make_key("entry"), pickle.dumps(Hostile(trap)))
    with pytest.raises(Exception, match=r"."):
        cache.get("entry")
    cache.delete("entry")
    assert not trap.exists()


def test_a_pickle_in_the_place_of_a_session_is_not_opened_and_ends_nobodys_session(tmp_path: Path) -> None:
    trap = tmp_path / "ran"
    client = Client()
    client.force_login(User.objects.create_superuser("ada"))
    assert client.get("/admin/").status_code == 200
    default = caches["default"]
    (key,) = [key for key in default.iter_keys("django.contrib.sessions*") if client.session.session_key in key]
    get_redis_connection("default").set(default.make_key(key), pickle.dumps(Hostile(trap)))
    assert client.get("/admin/").status_code == 200, "the table has the session, too"
    assert not trap.exists()
