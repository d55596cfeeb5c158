"""`manage.py services start|stop|status`: the embedded servers of this DATA_DIR, and which services are elsewhere.

Nobody has to call it: the first connection starts what it needs. It stops only servers of this data directory, and a
service whose URL is set is named as external and left alone. It opens no connection to a database.
"""

import json
from argparse import ArgumentParser
from dataclasses import asdict
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from tracking import embedded
from tracking.embedded.installation import Installation


class Command(BaseCommand):
    """Start, stop or list the embedded PostgreSQL and Redis servers."""

    help = "Start, stop or list the embedded PostgreSQL and Redis servers of DATA_DIR."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        """One action; `--json` for programs."""
        parser.add_argument("action", choices=["start", "stop", "status"])
        parser.add_argument("--json", action="store_true", help="print a list of objects instead of a table")

    def handle(self, *args: Any, **options: Any) -> None:
        """Do the action on the services that are ours, then print all of them. Raises CommandError."""
        external = external_services()
        ours = [name for name in embedded.SERVICES if name not in external]
        try:
            if options["action"] == "start":
                embedded.start(settings.DATA_DIR, ours)
            elif options["action"] == "stop":
                if Installation.is_held(settings.DATA_DIR):
                    raise CommandError("`manage.py up` runs here and needs its servers: stop it with Ctrl-C.")
                embedded.stop(settings.DATA_DIR, ours)
        except embedded.EmbeddedError as error:
            raise CommandError(str(error)) from error
        rows = [_row(status, external) for status in embedded.status(settings.DATA_DIR)]
        self.stdout.write(json.dumps(rows, indent=2) if options["json"] else _table(rows))


def external_services() -> dict[str, str]:
    """The services that are configured by URL: name of embedded.SERVICES to the variable that says so."""
    urls = {"queue": settings.QUEUE_REDIS_URL, "live": settings.LIVE_REDIS_URL}
    external = {
        name: f"{name.upper()}_REDIS_URL"
        for name, url in urls.items()
        if url != embedded.redis_url(settings.DATA_DIR, name)
    }
    return external if settings.EMBEDDED_POSTGRES else {"postgres": "DATABASE_URL", **external}


def _row(status: embedded.ServiceStatus, external: dict[str, str]) -> dict[str, Any]:
    """One service as printed; of an external one only the variable is known, its URL may hold a password."""
    if status.name in external:
        blank = {"running": None, "pid": None, "address": None, "directory": None}
        return {"name": status.name, "external": external[status.name], **blank}
    return {"name": status.name, "external": None, **{k: v for k, v in asdict(status).items() if k != "name"}}


def _table(rows: list[dict[str, Any]]) -> str:
    lines = [("SERVICE", "STATE", "PID", "SOCKET", "DATA"), *(_cells(row) for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(5)]
    return "\n".join("  ".join(map(str.ljust, line, widths)).rstrip() for line in lines)


def _cells(row: dict[str, Any]) -> tuple[str, ...]:
    if row["external"]:
        return row["name"], f"external, set by {row['external']}", "-", "-", "-"
    state = "running" if row["running"] else "not answering" if row["pid"] else "stopped"
    return row["name"], state, str(row["pid"] or "-"), row["address"], row["directory"]
