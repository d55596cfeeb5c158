"""The page of the admin that asks before something is done. It changes nothing itself: its form posts back."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from django.contrib.admin import ModelAdmin
from django.db.models import Model
from django.forms import Form
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked: `items` are those concerned, `quotes` texts to read first (heading, text), `hidden` the fields
    that the form sends back as they are."""

    title: str
    explanation: str
    submit: str
    cancel_url: str
    form: Form | None = None
    items: Sequence[str] = ()
    more: int = 0
    quotes: Sequence[tuple[str, str]] = ()
    hidden: Iterable[tuple[str, str]] = ()
    danger: bool = False


def ask(model_admin: "ModelAdmin[Model]", request: HttpRequest, question: Question) -> HttpResponse:
    """The page with the question; posting it sends `confirmed` with the fields to the URL it was shown at."""
    context = {
        **model_admin.admin_site.each_context(request),
        "opts": model_admin.opts,
        "title": question.title,
        "question": question,
    }
    return TemplateResponse(request, "admin/resilience/confirm.html", context)
