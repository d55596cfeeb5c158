"""The filters of the list. Their parameters and their meaning are those of `resilience.letters.selection.Selection`."""

from __future__ import annotations

from typing import Any

from django.contrib.admin import ModelAdmin, SimpleListFilter
from django.contrib.admin.options import IncorrectLookupParameters
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone

from resilience.letters.selection import Age, BadSelection, Selection, distinct
from resilience.models import DeadLetter


class SelectionFilter(SimpleListFilter):
    """One field of a Selection. Its choices are found without reading the table."""

    def queryset(self, request: HttpRequest, queryset: QuerySet[DeadLetter]) -> QuerySet[DeadLetter]:
        """The list narrowed by the value. A value that cannot be goes back to the whole list."""
        try:
            selection = Selection.of({str(self.parameter_name): self.value()})
        except BadSelection as error:
            raise IncorrectLookupParameters(str(error)) from error
        return queryset.filter(selection.condition(timezone.now()))


class StatusFilter(SelectionFilter):
    """By status."""

    title = "status"
    parameter_name = "status"

    def lookups(self, request: HttpRequest, model_admin: ModelAdmin[Any]) -> list[tuple[str, str]]:
        """All there are."""
        return [(value, value) for value in DeadLetter.Status.values]


class ReasonFilter(SelectionFilter):
    """By reason."""

    title = "reason"
    parameter_name = "reason"

    def lookups(self, request: HttpRequest, model_admin: ModelAdmin[Any]) -> list[tuple[str, str]]:
        """The first hundred."""
        return [(value, value) for value in distinct("reason")]


class FeedFilter(SelectionFilter):
    """By the label of the feed."""

    title = "feed"
    parameter_name = "source"

    def lookups(self, request: HttpRequest, model_admin: ModelAdmin[Any]) -> list[tuple[str, str]]:
        """The first hundred."""
        return [(value, value) for value in distinct("source")]


class StageFilter(SelectionFilter):
    """By the stage that failed."""

    title = "stage"
    parameter_name = "stage"

    def lookups(self, request: HttpRequest, model_admin: ModelAdmin[Any]) -> list[tuple[str, str]]:
        """All there are."""
        return [(value, value) for value in distinct("stage")]


class AgeFilter(SelectionFilter):
    """By how long ago they died."""

    title = "age"
    parameter_name = "age"

    def lookups(self, request: HttpRequest, model_admin: ModelAdmin[Any]) -> list[tuple[str, str]]:
        """Hour, day, week, older."""
        return [(str(value), str(label)) for value, label in Age.choices]


class FingerprintFilter(SelectionFilter):
    """By group. Reached from the page of groups, so it is only there while it is used."""

    title = "group"
    parameter_name = "fingerprint"

    def lookups(self, request: HttpRequest, model_admin: ModelAdmin[Any]) -> list[tuple[str, str]]:
        """The one in use."""
        used = request.GET.get("fingerprint", "")
        return [(used, used)] if used else []


FILTERS = [StatusFilter, AgeFilter, ReasonFilter, FeedFilter, StageFilter, FingerprintFilter]
