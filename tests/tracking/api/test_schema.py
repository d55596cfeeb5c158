"""The OpenAPI schema is valid, warns of nothing, and names the errors of every operation."""

from typing import Any

import pytest
from django.core.management import call_command
from drf_spectacular.generators import SchemaGenerator

OF_EVERY_OPERATION = {"400", "401", "403", "404", "405", "406", "429", "503"}


@pytest.mark.parametrize("public", [True, False])
def test_the_schema_is_valid_and_warns_of_nothing(settings: Any, tmp_path: Any, public: bool) -> None:
    settings.LIVE_PUBLIC = public
    call_command("spectacular", validate=True, fail_on_warn=True, file=str(tmp_path / "schema.yml"))


def test_every_operation_names_its_errors() -> None:
    paths = SchemaGenerator().get_schema(request=None, public=True)["paths"]
    operations = {(path, method): of for path, methods in paths.items() for method, of in methods.items()}
    assert operations
    for (path, method), operation in operations.items():
        expected = OF_EVERY_OPERATION | ({"409", "413", "415"} if method == "post" else set())
        assert expected <= set(operation["responses"]), (path, method)
