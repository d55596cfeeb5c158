"""What tests of dead letters share: closed breakers, the one handler that records, and users with few permissions."""

from collections.abc import Callable, Iterator

import pytest
from django.contrib.auth.models import Permission, User
from django_redis import get_redis_connection

from resilience.letters import handlers
from tests.support.letters import RecordingHandler, forget_breakers

UserWith = Callable[..., User]


@pytest.fixture
def closed_breakers() -> Iterator[None]:
    """All breakers as they are before anybody has used them."""
    forget_breakers()
    yield
    forget_breakers()


@pytest.fixture
def handler(closed_breakers: None, monkeypatch: pytest.MonkeyPatch) -> RecordingHandler:
    """The only handler there is, for letters of the kind `test`."""
    monkeypatch.setattr(handlers, "_handlers", {})
    handler = RecordingHandler()
    handlers.register("test", handler)
    return handler


@pytest.fixture
def queue() -> Iterator[None]:
    """The queue's Redis, empty."""
    client = get_redis_connection("queue")
    client.flushdb()
    yield
    client.flushdb()


@pytest.fixture
def user_with() -> UserWith:
    """Makes a user of the admin, `clerk`, with these permissions, named by codename."""

    def make(*codenames: str) -> User:
        user = User.objects.create_user("clerk", password="let me in", is_staff=True)
        chosen = Permission.objects.filter(content_type__app_label="resilience", codename__in=codenames)
        assert chosen.count() == len(codenames)
        user.user_permissions.set(chosen)
        return user

    return make
