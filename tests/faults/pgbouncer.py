"""PgBouncer as docker-compose.yml ships it: the same parameters, the same role with its timeouts.

The file is read, not repeated, so that the tests try what operators run. Only addresses and authentication differ.
"""

from __future__ import annotations

import signal
from collections.abc import Sequence
from configparser import ConfigParser
from pathlib import Path
from typing import Any

import yaml

from tests.faults.processes import BASE_DIR, listens, unprivileged
from tests.faults.server import Server

PGBOUNCER = Path("/usr/sbin/pgbouncer")
NO_PGBOUNCER = f"no PgBouncer at {PGBOUNCER}: apt-get install pgbouncer"


class PgBouncerMissing(RuntimeError):
    """This machine has no PgBouncer; the message says how to get it and serves as the reason of a skip."""

    def __init__(self) -> None:
        super().__init__(NO_PGBOUNCER)


class PgBouncer(Server):
    """PgBouncer before PostgreSQL, with the parameters of docker-compose.yml. Raises PgBouncerMissing."""

    name = "PgBouncer"
    stop_signal = signal.SIGINT

    def __init__(self, directory: Path, behind: int, **parameters: object) -> None:
        """`behind` is the port it connects to; `parameters` replace those of the file."""
        if not PGBOUNCER.exists():
            raise PgBouncerMissing
        super().__init__(directory)
        directory.mkdir(exist_ok=True)
        self._configuration = directory / "pgbouncer.ini"
        self._configuration.write_text(self._text(behind, parameters))

    def _text(self, behind: int, parameters: dict[str, object]) -> str:
        ours = {"listen_addr": "127.0.0.1", "listen_port": self.port, "auth_type": "any", "admin_users": "postgres"}
        values = shipped_parameters() | ours | parameters
        lines = [f"tracking = host=127.0.0.1 port={behind} dbname=tracking user=tracking_pooled", "[pgbouncer]"]
        return "\n".join(["[databases]", *lines, *(f"{name} = {value}" for name, value in values.items()), ""])

    def command(self) -> Sequence[str | Path]:
        """In the foreground."""
        return [PGBOUNCER, self._configuration]

    def identity(self) -> dict[str, Any]:
        """It refuses to run as root, too."""
        return {"cwd": "/", **unprivileged()}

    def answers(self) -> bool:
        """Whether it listens: it does so while PostgreSQL is away, too."""
        return listens(self.port)


def _shipped(name: str) -> str:
    """The content of a configuration in docker-compose.yml."""
    text: str = yaml.safe_load((BASE_DIR / "docker-compose.yml").read_text())["configs"][name]["content"]
    return text


def shipped_parameters() -> dict[str, str]:
    """PgBouncer's parameters of docker-compose.yml without those that authenticate."""
    parser = ConfigParser(interpolation=None)
    parser.read_string(_shipped("pgbouncer"))
    return {name: value for name, value in parser["pgbouncer"].items() if not name.startswith("auth_")}


def pooled_role() -> list[str]:
    """The statements of docker-compose.yml that make the pooled role and its timeouts, without its password."""
    lines = [line for line in _shipped("pooled-role").splitlines() if line.startswith(("CREATE", "ALTER", "GRANT"))]
    return [line.split(" PASSWORD ")[0] for line in lines]
