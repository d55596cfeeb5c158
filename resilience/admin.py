"""The admin of this app: dead letters, the jobs that work through them, circuit breakers, parked entries.

Nothing here adds or deletes a letter. Clicks go in; what is done is done by `resilience.letters.dead_letters` and the
modules beside it. The pages are in `resilience.letters.admin`, `resilience.breaker.admin` and
`resilience.queue.parked_admin`.
"""

import uuid

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from unfold.admin import ModelAdmin
from unfold.paginator import InfinitePaginator

from resilience.breaker import admin as breaker_admin
from resilience.letters.admin.everything import Everything
from resilience.letters.admin.jobs import LetterJobAdmin
from resilience.letters.admin.letter_actions import AT_ONCE, LetterActions
from resilience.letters.admin.list_filters import FILTERS
from resilience.letters.admin.shown import LetterFields
from resilience.models import DeadLetter, LetterJob, ParkedEntry, Switchboard
from resilience.queue import parked_admin


@admin.register(DeadLetter)
class DeadLetterAdmin(LetterFields, LetterActions, Everything, ModelAdmin):  # type: ignore[misc]  # unfold is not typed
    """Letters, latest failure first."""

    icon = "mail"
    list_filter = FILTERS
    search_fields = ("batch_id",)  # get_search_results does it: a UUID, compared as one
    search_help_text = "Id of a batch or of a letter"
    paginator = InfinitePaginator
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER
    list_disable_select_all = True  # the buttons above the list do that, as jobs
    list_per_page = AT_ONCE
    sortable_by = ()
    actions = ("retry_selected", "discard_selected", "export_ndjson", "export_csv")
    actions_detail = ("retry_letter", "edit_letter", "discard_letter")

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: DeadLetter | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: DeadLetter | None = None) -> bool:
        return False

    def get_queryset(self, request: HttpRequest) -> QuerySet[DeadLetter]:
        """The list needs neither the messages nor what else is long; a page fetches its own."""
        letters: QuerySet[DeadLetter] = super().get_queryset(request)
        return letters.defer("raw", "edited", "context", "traceback", "history")

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[DeadLetter], search_term: str
    ) -> tuple[QuerySet[DeadLetter], bool]:
        if not search_term:
            return queryset, False
        try:
            wanted = uuid.UUID(search_term.strip())
        except ValueError:
            return queryset.none(), False
        return queryset.filter(Q(batch_id=wanted) | Q(id=wanted)), False


admin.site.register(LetterJob, LetterJobAdmin)
admin.site.register(Switchboard, breaker_admin.BreakerAdmin)
admin.site.register(ParkedEntry, parked_admin.ParkedAdmin)
