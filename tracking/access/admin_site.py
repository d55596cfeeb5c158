"""The admin's site: every page that is registered with it can be filtered by its own filters only.

Django lets whoever may see a list filter it by any column, shown or not: `?url__startswith=` would read passwords
letter by letter. Pages enter by `register`, those of other packages as well, and none can leave the rule out.
"""

from collections.abc import Iterable
from typing import Any, cast

from django.contrib.admin import SimpleListFilter
from django.contrib.admin.options import LOOKUP_SEP
from django.db.models import Model
from django.http import HttpRequest
from django.urls import URLPattern, URLResolver, path
from unfold.admin import ModelAdmin
from unfold.sites import UnfoldAdminSite

from tracking.desk import views as desk

# What the filters of fields and the hierarchy of dates put behind a field's name.
_COMPARISONS = {"exact", "in", "isnull", "gte", "lt", "year", "month", "day", "id__exact", "pk__exact"}


class OwnFiltersOnly:
    """For every ModelAdmin, in front of it."""

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest | None = None) -> bool:
        """Whether the parameter is one of the list's filters or its hierarchy of dates."""
        filters = self.get_list_filter(request) if request is not None else self.list_filter  # type: ignore[attr-defined]
        if any(lookup == item.parameter_name for item in filters if _is_simple(item)):
            return True
        fields = [item[0] if isinstance(item, list | tuple) else item for item in filters if not _is_simple(item)]
        return any(_compares(lookup, field) for field in (*fields, self.date_hierarchy) if field)  # type: ignore[attr-defined]


def _is_simple(item: Any) -> bool:
    return isinstance(item, type) and issubclass(item, SimpleListFilter)


def _compares(lookup: str, field: str) -> bool:
    name, comparison = lookup[: len(field)], lookup[len(field) :].removeprefix(LOOKUP_SEP)
    return name == field and (lookup == field or comparison in _COMPARISONS)


class GuardedAdminSite(UnfoldAdminSite):  # type: ignore[misc]  # unfold has no types
    """The one site of the project; its first page is the desk."""

    index_template = "tracking/desk.html"
    index_title = "Overview"

    def get_urls(self) -> list[URLPattern | URLResolver]:
        """The desk's figures, beside the pages."""
        own = path("desk/", self.admin_view(desk.figures), name="desk")
        return [own, *cast(list[URLPattern | URLResolver], super().get_urls())]

    def register(
        self, model_or_iterable: type[Model] | Iterable[type[Model]], admin_class: Any = None, **options: Any
    ) -> None:
        """Django's, with the rule in front of the page."""
        page = admin_class or ModelAdmin
        inherited = {"__module__": page.__module__, "__doc__": page.__doc__}
        guarded = page if issubclass(page, OwnFiltersOnly) else type(page.__name__, (OwnFiltersOnly, page), inherited)
        super().register(model_or_iterable, guarded, **options)
