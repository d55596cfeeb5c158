"""The API against its own schema: schemathesis, by its own command, asks a live server of this test.

SCHEMATHESIS_EXAMPLES asks more of each operation. What is excepted, and why, stands in `tests/schemathesis.toml`.
"""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from rest_framework.throttling import SimpleRateThrottle

from tests.resilience.conftest import closed_breakers, handler
from tests.support.keys import header, make_key
from tests.support.rights_world import make_rows

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "direct"])

__all__ = ["closed_breakers", "handler"]  # fixtures of another room

CONFIGURATION = Path(__file__).resolve().parents[2] / "schemathesis.toml"
PROGRAM = Path(sys.executable).with_name("schemathesis")


def test_the_api_keeps_what_its_schema_promises(
    live_server: Any, monkeypatch: Any, handler: Any, tmp_path: Path
) -> None:
    monkeypatch.setattr(SimpleRateThrottle, "THROTTLE_RATES", dict.fromkeys(SimpleRateThrottle.THROTTLE_RATES))
    make_rows()
    key = make_key(User.objects.create_superuser("robot"))
    command = [
        *(PROGRAM, "--config-file", CONFIGURATION, "run", f"{live_server.url}/api/schema/?format=json"),
        *("--header", f"Authorization: {header(key)}", "--seed", "1", "--workers", "1", "--no-color"),
        *("--phases", "examples,coverage,fuzzing", "--continue-on-failure"),
        *("--max-examples", os.environ.get("SCHEMATHESIS_EXAMPLES", "2")),
    ]
    result = subprocess.run(
        list(map(str, command)), capture_output=True, text=True, cwd=tmp_path, timeout=600, check=False
    )
    assert result.returncode == 0, result.stdout[-20_000:] + result.stderr[-2000:]


@pytest.mark.parametrize("size", ["null", "", "0", "-1", "1.5", "9" * 5000, "\u0661"])
def test_a_page_size_that_is_no_number_is_refused(client: Any, size: str) -> None:
    """Schemathesis is not asked of lists what it must not send; this stands for it."""
    client.force_login(User.objects.create_superuser("robot"))
    for path, name in (("/api/vessels/", "page_size"), ("/api/dead-letters/", "limit")):
        answer = client.get(path, {name: size})
        assert (answer.status_code, list(answer.json())) == (400, [name])
