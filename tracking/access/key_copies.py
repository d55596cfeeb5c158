"""Who asks: `Authorization: Token KEY` or `Bearer KEY`, or the session of a browser. A request enters, a user leaves.

What a key may be used for is decided here, before any view: a view of live state names its scope, of the others those
that only read want `history` and those that change something want `operate`. What its user may do, the views'
permissions decide. Views of live state go by copies (`tracking/access/copies.py`), so that they serve on while
PostgreSQL is away.
"""

from __future__ import annotations

from functools import partial
from importlib import import_module
from typing import Any

from django.conf import settings
from django.contrib.auth import get_user
from django.http import HttpRequest
from django.utils import timezone
from rest_framework.authentication import BaseAuthentication, SessionAuthentication, get_authorization_header
from rest_framework.exceptions import AuthenticationFailed, PermissionDenied
from rest_framework.permissions import SAFE_METHODS
from rest_framework.request import Request

from tracking.access import api_keys, copies
from tracking.access.api_keys import ApiKey, Scope
from tracking.access.copies import COPY_SECONDS, Verified

SCHEMES = (b"token", b"bearer")


class Holder:
    """Who holds a copied key: as much of a user as permissions and throttles of live views ask for."""

    is_authenticated = True
    is_anonymous = False
    is_active = True

    def __init__(self, pk: int) -> None:
        self.pk = self.id = pk


class KeyAuthentication(BaseAuthentication):
    """A key, looked up for every request."""

    keyword = "Token"

    def authenticate(self, request: Request) -> tuple[Any, ApiKey | None] | None:
        """(user, key), None without a key. Raises AuthenticationFailed, and PermissionDenied for want of the scope."""
        scheme, _, rest = get_authorization_header(request).partition(b" ")
        key = rest.strip()
        if scheme.lower() not in SCHEMES:
            return None
        if not key or b" " in key:
            raise AuthenticationFailed("The header is `Authorization: Token KEY`, the key without blanks.")
        return self.authenticate_key(key.decode("latin-1"), scope_of(request))

    def authenticate_key(self, key: str, scope: Scope) -> tuple[Any, ApiKey | None]:
        """The user and the row of the key."""
        found = usable(key, scope)
        return found.user, found

    def authenticate_header(self, request: Request) -> str:
        """What a 401 asks for."""
        return self.keyword


class CopiedKey(KeyAuthentication):
    """A key, by its copy where there is one: only keys that may read live state are copied."""

    def authenticate_key(self, key: str, scope: Scope) -> tuple[Any, ApiKey | None]:
        """The holder; the user where PostgreSQL had to be asked. Raises redis.RedisError as well, and django.db.Error
        where there is no copy and PostgreSQL is away."""
        digest = api_keys.hashed(key)
        copy = copies.find(digest, partial(_holder_of_key, key))
        if copy is not None:
            return Holder(copy.user), None
        found = usable(key, Scope.LIVE)
        copies.keep(digest, _verified(found))
        return found.user, found


class CopiedSession(SessionAuthentication):
    """The session of a browser, by its copy where there is one. For views that only read: without a check for CSRF."""

    def authenticate(self, request: Request) -> tuple[Any, None] | None:
        """The holder, or the user, or None where nobody is logged in. Raises as CopiedKey does."""
        key = request._request.session.session_key
        if not key:
            return None
        digest = copies.digest_of_session(key)
        copy = copies.find(digest, partial(_holder_of_session, key))
        if copy is not None:
            return Holder(copy.user), None
        user = getattr(request._request, "user", None)
        if user is None or not user.is_active:
            return None
        copies.keep(digest, Verified(user.pk))
        return user, None


def scope_of(request: Request) -> Scope:
    """What a key needs for this request: the view's `key_scope`, else by whether the request only reads."""
    view = (request.parser_context or {}).get("view")
    named: Scope | None = getattr(view, "key_scope", None)
    return named or (Scope.HISTORY if request.method in SAFE_METHODS else Scope.OPERATE)


def usable(key: str, scope: Scope) -> ApiKey:
    """The row of a key that may be used for this. Raises AuthenticationFailed and PermissionDenied."""
    found = api_keys.find(key)
    if found is None:
        raise AuthenticationFailed("The key is unknown or has expired.")
    if scope not in found.scopes:
        raise PermissionDenied(f"The key has not the scope {scope.value!r}.")
    found.note_use()
    return found


def _verified(found: ApiKey) -> Verified:
    left = (found.expires_at - timezone.now()).total_seconds() if found.expires_at else COPY_SECONDS
    return Verified(found.user_id, left)


def _holder_of_key(key: str) -> Verified | None:
    try:
        return _verified(usable(key, Scope.LIVE))
    except (AuthenticationFailed, PermissionDenied):
        return None


def _holder_of_session(key: str) -> Verified | None:
    """Whose session it is, by its own hash of the password and by the user's row."""
    request = HttpRequest()
    request.session = import_module(settings.SESSION_ENGINE).SessionStore(key)
    user = get_user(request)
    return Verified(int(user.pk)) if user.is_authenticated and user.is_active else None
