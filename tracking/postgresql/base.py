"""Django's PostgreSQL backend: an embedded server is there when needed, no GROUP BY short cut for partitions, and a
second try where PgBouncer refuses the first client after an outage.

Always the ENGINE, also with a server of one's own: the other changes are not about the embedded one.
"""

import time
from typing import Any

import psycopg
from django.conf import settings
from django.db import OperationalError
from django.db.backends.postgresql import base, features

from tracking import embedded

# PgBouncer refuses the first client after an outage and logs in to the server because of it: the next one succeeds.
_REFUSED_FIRST = "server_login_retry"
_LOGIN_SECONDS = 0.2


class DatabaseFeatures(features.DatabaseFeatures):
    """What the database can do for which model."""

    def allows_group_by_selected_pks_on_model(self, model: Any) -> bool:
        """False for models with `partitioned = True`: their table's primary key is not Django's.

        Grouping by Django's key alone, PostgreSQL then knows no dependency of the other columns on it (error 42803).
        """
        return super().allows_group_by_selected_pks_on_model(model) and not getattr(model, "partitioned", False)


class DatabaseWrapper(base.DatabaseWrapper):
    """A connection; the first of a process to the embedded server has it started."""

    features_class = DatabaseFeatures

    def get_new_connection(self, conn_params: dict[str, Any]) -> Any:
        """Connect. Raises OperationalError, also where the embedded server cannot be started."""
        if settings.EMBEDDED_POSTGRES and conn_params.get("host") == str(embedded.postgres_sockets(settings.DATA_DIR)):
            try:
                embedded.ensure_once(settings.DATA_DIR, "postgres")
            except embedded.EmbeddedError as error:
                raise OperationalError(str(error)) from error
        return super().get_new_connection(conn_params)

    def connect(self) -> None:
        """Connect, a second time where PgBouncer refuses only the first. Raises psycopg.OperationalError."""
        try:
            super().connect()
        except psycopg.OperationalError as error:
            if _REFUSED_FIRST not in str(error):
                raise
            self.close()
            time.sleep(_LOGIN_SECONDS)
            super().connect()
