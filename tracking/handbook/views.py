"""`/handbook/`: for whoever may open the admin. It holds no secret, but a stranger needs no map of the house."""

from __future__ import annotations

from django.contrib.admin.views.decorators import staff_member_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from tracking.handbook import pages


@require_safe
@staff_member_required
def handbook(request: HttpRequest, name: str = pages.INDEX) -> HttpResponse:
    """A page."""
    if name not in pages.PAGES:
        raise Http404(f"the handbook has no page {name}")
    menu = [(pages.address(other), title, other == name) for other, title in pages.PAGES.items()]
    return render(request, "tracking/handbook.html", {"page": pages.page(name), "menu": menu})
