"""Whatever foreign text a record holds, it is one line of the log."""

import logging
from typing import Any

from django.conf import settings
from django.utils.module_loading import import_string

FORGED = "x\n2026-01-01 00:00:00,000 CRITICAL root: all is lost\r\x1b[2J\x9b31m\u2028\u202e\x00\udc80"


def formatter() -> logging.Formatter:
    """The one of the settings."""
    given = settings.LOGGING["formatters"]["plain"]
    return import_string(given["()"])(given["format"], style=given["style"])


def written(message: str, *args: object, exc_info: Any = None) -> str:
    record = logging.getLogger("x").makeRecord("x", logging.ERROR, "x.py", 1, message, args, exc_info)
    return formatter().format(record)


def test_every_handler_of_the_settings_uses_it():
    assert {handler["formatter"] for handler in settings.LOGGING["handlers"].values()} == {"plain"}


def test_foreign_text_forges_no_line_and_no_escape():
    for line in (written("it says %s", FORGED), written(FORGED)):
        assert line.isprintable()
        assert "all is lost" in line
        line.encode()


def test_what_is_printable_leaves_as_it_is():
    assert written("Größe 5 µs, 船 %s", "→").endswith("x: Größe 5 µs, 船 →")


def test_no_line_of_a_traceback_looks_like_a_record():
    try:
        raise ValueError(FORGED)
    except ValueError as error:
        first, *rest = written("it failed", exc_info=(type(error), error, error.__traceback__)).split("\n")
    assert first.endswith("x: it failed")
    assert len(rest) > 3
    assert not [line for line in rest if not line.startswith("    ") or not line.isprintable()]
