"""docker-compose.yml as data, for the tests of what is in it and of the servers that it configures."""

import re
from pathlib import Path

import yaml

PROJECT = Path(__file__).resolve().parents[2]
COMPOSE = yaml.safe_load((PROJECT / "docker-compose.yml").read_text())
VARIABLE = re.compile(r"\$\{(\w+)(:[-?])([^}]*)\}")


def filled_in(text: str) -> str:
    """The text as Compose sees it when required variables are "secret" and all others have their defaults."""
    return VARIABLE.sub(lambda found: found[3] if found[2] == ":-" else "secret", text)


def pooled_role_sql() -> list[str]:
    """The statements of the init script; its password is "secret" (psql's \\getenv and :'password')."""
    lines = COMPOSE["configs"]["pooled-role"]["content"].replace(":'password'", "'secret'").splitlines()
    return [line for line in lines if line and not line.startswith("\\getenv")]
