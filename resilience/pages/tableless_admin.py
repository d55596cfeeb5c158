"""What admin pages share that have no table behind them: breakers, and what the queue put aside.

Nothing is added, changed or deleted as rows are; `looking` and `operating` name the two permissions that count.
"""

from typing import ClassVar

from django.http import HttpRequest
from unfold.admin import ModelAdmin


class TablelessAdmin(ModelAdmin):  # type: ignore[misc]  # unfold is not typed
    """Pages in the place of lists and forms; subclasses give their addresses."""

    looking: ClassVar[str]
    operating: ClassVar[str]

    def has_module_permission(self, request: HttpRequest) -> bool:
        return self.has_view_permission(request)

    def has_view_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return request.user.has_perm(self.looking)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return False

    def has_operate_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm(self.operating)
