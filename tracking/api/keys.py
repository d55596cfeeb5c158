"""Who may read live state while PostgreSQL is away: copies of verified credentials in the live Redis.

A token or a session enters, a Holder leaves. What was verified against PostgreSQL is copied as the SHA-256 of its key
for COPY_SECONDS; a copy is believed at once, and looked up again in the background when it is older than RENEW_SECONDS,
which renews it, removes it, or (PostgreSQL is away) leaves it. So nobody who read live state within the last day is
locked out by an outage, and no reader waits for a database that hangs. Signals remove the copies of a token that is
deleted and of a user who is changed in any way; what they miss, the next look-up finds.

The copies lie in the live Redis because that is the only server that the answer needs anyway: one that has lost its
copies has lost its targets too. Tokens and session keys are random, so that a plain SHA-256 tells nothing of them.

    tracking:api:key:{sha256}      JSON: the holder's user id, when it was verified (epoch seconds)
    tracking:api:keys:{user id}    set of the sha256 of a user's copies
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from functools import partial
from hashlib import sha256
from importlib import import_module
from typing import Any

import msgspec
import redis
from django.conf import settings
from django.contrib.auth import get_user, get_user_model
from django.contrib.auth.signals import user_logged_out
from django.db import transaction
from django.db.models.signals import post_delete, post_save
from django.http import HttpRequest
from django_redis import get_redis_connection
from rest_framework.authentication import SessionAuthentication, TokenAuthentication
from rest_framework.authtoken.models import Token
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request

from tracking.inquiry import Inquiry

logger = logging.getLogger(__name__)

COPY_SECONDS = 86_400
RENEW_SECONDS = 60


class Copy(msgspec.Struct, frozen=True):
    """Whose key it is, and when PostgreSQL said so (epoch seconds)."""

    user: int
    verified_at: float


class Holder:
    """Who holds a copied key: as much of a user as permissions and throttles of live views ask for."""

    is_authenticated = True
    is_anonymous = False
    is_active = True

    def __init__(self, pk: int) -> None:
        self.pk = self.id = pk


_read = msgspec.json.Decoder(Copy).decode


class CopiedToken(TokenAuthentication):
    """A token, by its copy where there is one."""

    def authenticate_credentials(self, key: str) -> tuple[Any, Any]:
        """The holder; the user where PostgreSQL had to be asked. Raises AuthenticationFailed, redis.RedisError, and
        django.db.Error where there is no copy and PostgreSQL is away."""
        digest = _digest("token", key)
        copy = _copy(digest, partial(_user_of_token, key))
        if copy is not None:
            return Holder(copy.user), None
        user, token = super().authenticate_credentials(key)
        _keep(digest, user.pk)
        return user, token


class CopiedSession(SessionAuthentication):
    """The session of a browser, by its copy where there is one. For views that only read: without a check for CSRF."""

    def authenticate(self, request: Request) -> tuple[Any, None] | None:
        """The holder, or the user, or None where nobody is logged in. Raises as CopiedToken does."""
        key = request._request.session.session_key
        if not key:
            return None
        digest = _digest("session", key)
        copy = _copy(digest, partial(_user_of_session, key))
        if copy is not None:
            return Holder(copy.user), None
        user = getattr(request._request, "user", None)
        if user is None or not user.is_active:
            return None
        _keep(digest, user.pk)
        return user, None


def forget_user(user: int) -> None:
    """Remove the copies of all keys of a user. Raises redis.RedisError."""
    client: Any = get_redis_connection("live")
    digests = client.smembers(_index(user))
    client.delete(_index(user), *(_place(digest.decode()) for digest in digests))


def connect() -> None:
    """Have signals remove copies."""
    user = get_user_model()
    post_save.connect(_on_user, sender=user, dispatch_uid="tracking.keys.user_saved")
    post_delete.connect(_on_user, sender=user, dispatch_uid="tracking.keys.user_deleted")
    post_delete.connect(_on_token, sender=Token, dispatch_uid="tracking.keys.token_deleted")
    user_logged_out.connect(_on_logout, dispatch_uid="tracking.keys.logged_out")


def _digest(kind: str, key: str) -> str:
    return sha256(f"{kind}:{key}".encode("utf-8", "surrogateescape")).hexdigest()


def _place(digest: str) -> str:
    return f"tracking:api:key:{digest}"


def _index(user: int) -> str:
    return f"tracking:api:keys:{user}"


def _copy(digest: str, verify: Callable[[], int | None]) -> Copy | None:
    """The copy, None where there is none; one that is old is verified behind our back, one at a time a process."""
    stored = get_redis_connection("live").get(_place(digest))
    if stored is None:
        return None
    try:
        copy = _read(stored)
    except msgspec.DecodeError:  # of another version: as good as none
        return None
    if time.time() - copy.verified_at > RENEW_SECONDS:
        Inquiry.start("api-keys", partial(_renew, digest, copy.user, verify))
    return copy


def _renew(digest: str, user: int, verify: Callable[[], int | None]) -> None:
    """Verify again. While PostgreSQL is away this raises, and the copy stays until it expires."""
    if verify() == user:
        _keep(digest, user)
    else:
        get_redis_connection("live").delete(_place(digest))


def _keep(digest: str, user: int) -> None:
    pipe = get_redis_connection("live").pipeline(transaction=True)
    pipe.set(_place(digest), msgspec.json.encode(Copy(user, time.time())), ex=COPY_SECONDS)
    pipe.sadd(_index(user), digest)
    pipe.expire(_index(user), COPY_SECONDS)
    pipe.execute()


def _user_of_token(key: str) -> int | None:
    try:
        user, _ = TokenAuthentication().authenticate_credentials(key)
    except AuthenticationFailed:
        return None
    return int(user.pk)


def _user_of_session(key: str) -> int | None:
    """Whose session it is, by its own hash of the password and by the user's row."""
    request = HttpRequest()
    request.session = import_module(settings.SESSION_ENGINE).SessionStore(key)
    user = get_user(request)
    return int(user.pk) if user.is_authenticated and user.is_active else None


def _on_user(instance: Any, update_fields: Any = None, using: str = "default", **_: Any) -> None:
    """A user was saved or deleted. What a log-in writes changes no right."""
    if update_fields is None or set(update_fields) != {"last_login"}:
        _forget_later(partial(forget_user, instance.pk), using)


def _on_token(instance: Token, using: str = "default", **_: Any) -> None:
    _forget_later(partial(_forget, _digest("token", instance.key)), using)


def _on_logout(request: HttpRequest, **_: Any) -> None:
    if request is not None and request.session.session_key:
        _try_to(partial(_forget, _digest("session", request.session.session_key)))


def _forget(digest: str) -> None:
    get_redis_connection("live").delete(_place(digest))


def _forget_later(forget: Callable[[], None], using: str) -> None:
    """After the commit: before it, another request could copy the key again."""
    transaction.on_commit(partial(_try_to, forget), using=using)


def _try_to(forget: Callable[[], None]) -> None:
    try:
        forget()
    except redis.RedisError as error:
        logger.warning("a revoked key is forgotten at its next use, the live Redis does not answer: %s", error)
