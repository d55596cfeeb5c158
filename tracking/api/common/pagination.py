"""Pages by cursor: a page costs the same wherever it lies, and nothing is ever counted.

In a module of its own because settings name pagination classes and views import them.
"""

import datetime as dt
from typing import Any

from django.core.exceptions import ValidationError as DjangoValidationError
from django.db.models import DateTimeField, QuerySet
from rest_framework.exceptions import ValidationError
from rest_framework.pagination import Cursor, CursorPagination
from rest_framework.request import Request


class IdentityCursor(CursorPagination):
    """Pages of 100, at most 1,000 by `page_size`, in the order of the view's queryset, which must be a total one."""

    page_size = 100
    page_size_query_param = "page_size"
    max_page_size = 1000

    def get_page_size(self, request: Request) -> int | None:
        """As the base has it, which would pass over what is no number. Raises ValidationError."""
        given = request.query_params.get(self.page_size_query_param, "1")
        if not (given.isascii() and given.isdecimal() and len(given) < 10 and int(given) > 0):
            raise ValidationError({self.page_size_query_param: ["A number from 1 on is expected."]})
        return super().get_page_size(request)

    def get_ordering(self, request: Request, queryset: QuerySet[Any], view: Any) -> tuple[str, ...]:
        """The queryset's own order."""
        return tuple(str(field) for field in queryset.query.order_by)

    def paginate_queryset(self, queryset: QuerySet[Any], request: Request, view: Any = None) -> Any:
        """A page. Raises ValidationError for a cursor that was never given out."""
        self.model = queryset.model
        return super().paginate_queryset(queryset, request, view)

    def decode_cursor(self, request: Request) -> Cursor | None:
        """The cursor of the request, whose position the first column of the order can be compared with."""
        cursor = super().decode_cursor(request)
        if cursor is not None and cursor.position is not None:
            try:
                self._check(cursor.position)
            except (DjangoValidationError, ValueError, OverflowError) as error:
                raise ValidationError({"cursor": ["Not a cursor of this list."]}) from error
        return cursor

    def _check(self, position: str) -> None:
        field = self.model._meta.get_field(self.ordering[0].lstrip("-"))
        value = field.clean(position, None)
        if "\0" in position:
            raise ValueError(position)
        if isinstance(field, DateTimeField):
            value.astimezone(dt.UTC)
