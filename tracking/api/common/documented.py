"""What the OpenAPI schema says of every operation alike: its errors.

In a module of its own because settings name the class and views import it.
"""

from typing import Any

from drf_spectacular.openapi import AutoSchema


class DocumentedErrors(AutoSchema):
    """drf-spectacular's schema of an operation, with the errors that the framework itself may answer."""

    def _get_response_bodies(self, direction: str = "response") -> dict[str, Any]:
        from tracking.api.common.errors import documented  # imports the framework's views, which import this module

        bodies: dict[str, Any] = super()._get_response_bodies(direction)
        for code, response in documented(*self._codes()).items():
            if str(code) not in bodies:
                bodies[str(code)] = self._get_response_for_code(response, str(code))
        return bodies

    def _codes(self) -> set[int]:
        """400, 403, 404 and 406 may always be; 409, 413 and 415 where something is sent."""
        return {400, 403, 404, 405, 406} | ({409, 413, 415} if self.method in ("POST", "PUT", "PATCH") else set())
