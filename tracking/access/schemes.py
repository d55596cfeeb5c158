"""How the OpenAPI schema describes keys and sessions. Importing this module is enough.

Those of live views have names of their own, because one name may stand for one class only.
"""

from drf_spectacular.authentication import SessionScheme, TokenScheme


class KeyScheme(TokenScheme):
    """Keys."""

    target_class = "tracking.access.key_copies.KeyAuthentication"
    match_subclasses = False
    priority = 0


class CopiedKeyScheme(TokenScheme):
    """Keys in live views."""

    target_class = "tracking.access.key_copies.CopiedKey"
    name = "liveTokenAuth"
    match_subclasses = False
    priority = 0


class CopiedSessionScheme(SessionScheme):
    """Sessions in live views."""

    target_class = "tracking.access.key_copies.CopiedSession"
    name = "liveCookieAuth"
    priority = 0
