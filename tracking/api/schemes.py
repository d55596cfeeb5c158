"""How the OpenAPI schema describes keys and the sessions of live views. Importing this module is enough."""

from drf_spectacular.authentication import SessionScheme, TokenScheme


class KeyScheme(TokenScheme):
    """Keys, copied ones as well."""

    target_class = "tracking.api.keys.KeyAuthentication"
    priority = 0


class CopiedSessionScheme(SessionScheme):
    """As all other sessions."""

    target_class = "tracking.api.keys.CopiedSession"
    priority = 0
