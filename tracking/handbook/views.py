"""`/handbook/`: for whoever may open the admin. It holds no secret, but strangers need no map of the house."""

from __future__ import annotations

from django.contrib.admin.views.decorators import staff_member_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from tracking.handbook import pages


@require_safe
@staff_member_required
def handbook(request: HttpRequest, name: str = pages.INDEX) -> HttpResponse:
    """A page, beside the menu of all of them and between its neighbours."""
    if name not in pages.PAGES:
        raise Http404(f"the handbook has no page {name}")
    names = list(pages.PAGES)
    place = names.index(name)
    context = {
        "page": pages.page(name),
        "menu": [_entry(other) for other in names],
        "before": _entry(names[place - 1]) if place else None,
        "after": _entry(names[place + 1]) if place + 1 < len(names) else None,
    }
    return render(request, "tracking/handbook.html", context)


def _entry(name: str) -> dict[str, str]:
    return {"name": name, "title": pages.PAGES[name], "address": pages.address(name)}
