"""Copies of verified credentials in the live Redis: who may read live state while PostgreSQL is away.

The SHA-256 of a key or a session enters, a Copy leaves. What was verified against PostgreSQL is copied for
COPY_SECONDS, a key that ends earlier for as long as it has left; a copy is believed at once, and looked up again in the
background when it is older than RENEW_SECONDS, which renews it, removes it, or (PostgreSQL is away) leaves it. So
nobody who read live state within the last day is locked out by an outage, and no reader waits for a database that
hangs. Signals remove the copies of a key that is changed or deleted and of a user who is changed in any way; what they
miss, the next look-up finds.

The copies lie in the live Redis because that is the only server that the answer needs anyway: one that has lost its
copies has lost its targets too. Keys and session keys are random, so that a plain SHA-256 tells nothing of them.

    tracking:api:key:{sha256}      JSON: the holder's user id, when it was verified (epoch seconds)
    tracking:api:keys:{user id}    set of the sha256 of a user's copies
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from functools import partial
from hashlib import sha256
from typing import Any, NamedTuple

import msgspec
import redis
from django.contrib.auth import get_user_model
from django.contrib.auth.signals import user_logged_out
from django.db import transaction
from django.db.models.signals import post_delete, post_save
from django.http import HttpRequest
from django_redis import get_redis_connection

from tracking.access.api_keys import ApiKey
from tracking.status.inquiry import Inquiry

logger = logging.getLogger(__name__)

COPY_SECONDS = 86_400
RENEW_SECONDS = 60


class Copy(msgspec.Struct, frozen=True):
    """Whose key it is, and when PostgreSQL said so (epoch seconds)."""

    user: int
    verified_at: float


class Verified(NamedTuple):
    """Who was found to hold a credential, and for how many seconds more that may be believed, at most."""

    user: int
    seconds: float = COPY_SECONDS


_read = msgspec.json.Decoder(Copy).decode


def digest_of_session(key: str) -> str:
    """Under which a session is copied; a key lies under its own `key_hash`."""
    return sha256(f"session:{key}".encode("utf-8", "surrogateescape")).hexdigest()


def find(digest: str, verify: Callable[[], Verified | None]) -> Copy | None:
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


def keep(digest: str, verified: Verified) -> None:
    """Copy what PostgreSQL has just said. Raises redis.RedisError."""
    seconds = int(min(verified.seconds, COPY_SECONDS))
    if seconds < 1:
        return
    pipe = get_redis_connection("live").pipeline(transaction=True)
    pipe.set(_place(digest), msgspec.json.encode(Copy(verified.user, time.time())), ex=seconds)
    pipe.sadd(_index(verified.user), digest)
    pipe.expire(_index(verified.user), COPY_SECONDS)
    pipe.execute()


def forget(digest: str) -> None:
    """Remove one copy. Raises redis.RedisError."""
    get_redis_connection("live").delete(_place(digest))


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
    post_save.connect(_on_key, sender=ApiKey, dispatch_uid="tracking.keys.key_saved")
    post_delete.connect(_on_key, sender=ApiKey, dispatch_uid="tracking.keys.key_deleted")
    user_logged_out.connect(_on_logout, dispatch_uid="tracking.keys.logged_out")


def _place(digest: str) -> str:
    return f"tracking:api:key:{digest}"


def _index(user: int) -> str:
    return f"tracking:api:keys:{user}"


def _renew(digest: str, user: int, verify: Callable[[], Verified | None]) -> None:
    """Verify again. While PostgreSQL is away this raises, and the copy stays until it expires."""
    verified = verify()
    if verified is not None and verified.user == user:
        keep(digest, verified)
    else:
        forget(digest)


def _on_user(instance: Any, update_fields: Any = None, using: str = "default", **_: Any) -> None:
    """A user was saved or deleted. What a log-in writes changes no right."""
    if update_fields is None or set(update_fields) != {"last_login"}:
        _forget_later(partial(forget_user, instance.pk), using)


def _on_key(instance: ApiKey, using: str = "default", **_: Any) -> None:
    _forget_later(partial(forget, instance.key_hash), using)


def _on_logout(request: HttpRequest, **_: Any) -> None:
    if request is not None and request.session.session_key:
        _try_to(partial(forget, digest_of_session(request.session.session_key)))


def _forget_later(forgetting: Callable[[], None], using: str) -> None:
    """After the commit: before it, another request could copy the key again."""
    transaction.on_commit(partial(_try_to, forgetting), using=using)


def _try_to(forgetting: Callable[[], None]) -> None:
    try:
        forgetting()
    except redis.RedisError as error:
        logger.warning("a revoked key is forgotten at its next use, the live Redis does not answer: %s", error)
