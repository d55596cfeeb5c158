"""Pages by cursor: a page costs the same wherever it lies, and nothing is ever counted.

In a module of its own because settings name pagination classes and views import them.
"""

from typing import Any

from django.db.models import QuerySet
from rest_framework.pagination import CursorPagination
from rest_framework.request import Request


class IdentityCursor(CursorPagination):
    """Pages of 100, at most 1,000 by `page_size`, in the order of the view's queryset, which must be a total one."""

    page_size = 100
    page_size_query_param = "page_size"
    max_page_size = 1000

    def get_ordering(self, request: Request, queryset: QuerySet[Any], view: Any) -> tuple[str, ...]:
        """The queryset's own order."""
        return tuple(str(field) for field in queryset.query.order_by)
