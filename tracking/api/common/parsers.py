"""Bodies of the API: JSON in UTF-8, as strict as the standard.

Bytes enter, Python values leave. What is no JSON, nests deeper than the parser follows, or holds half a surrogate pair
(no text that PostgreSQL or an answer could hold) is a ParseError, a 400.
"""

from typing import Any

import msgspec
from rest_framework.exceptions import ParseError
from rest_framework.parsers import BaseParser


class StrictJSON(BaseParser):
    """application/json by msgspec, which bounds depth itself."""

    media_type = "application/json"

    def parse(self, stream: Any, media_type: str | None = None, parser_context: Any = None) -> Any:
        """The value of the body. Raises ParseError."""
        try:
            return msgspec.json.decode(stream.read())
        except (msgspec.DecodeError, RecursionError, ValueError) as error:
            raise ParseError("The body is no sound JSON in UTF-8.") from error
