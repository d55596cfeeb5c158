"""API keys in the admin: everybody with the permission makes keys for himself, sees them and deletes them.

Superusers see and delete those of others, but nobody makes a key in another's name. A new key is shown once, in the
answer to the request that made it. Nobody changes a key: it is deleted and made anew.
"""

import datetime as dt
from typing import Any, ClassVar

from django import forms
from django.conf import settings
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from unfold.admin import ModelAdmin
from unfold.decorators import display
from unfold.widgets import (
    UnfoldAdminCheckboxSelectMultipleWidget,
    UnfoldAdminIntegerFieldWidget,
    UnfoldAdminTextInputWidget,
)

from tracking import theme
from tracking.access.api_keys import ApiKey, Scope


class ApiKeyForm(forms.ModelForm):
    """What one chooses of a new key. Without an end only superusers make one."""

    scopes = forms.MultipleChoiceField(
        choices=Scope.choices,
        initial=[Scope.LIVE, Scope.HISTORY],
        widget=UnfoldAdminCheckboxSelectMultipleWidget,
        help_text="It never does more than you may do yourself.",
    )
    days = forms.IntegerField(min_value=0, widget=UnfoldAdminIntegerFieldWidget, label="Days until it expires")

    endless: ClassVar[bool] = False  # set by the page: whether the user may do without an end

    class Meta:
        model = ApiKey
        fields = ("name", "scopes", "days")
        widgets: ClassVar[dict[str, forms.Widget]] = {"name": UnfoldAdminTextInputWidget}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        days = self.fields["days"]
        days.initial = settings.API_KEY_DAYS
        days.help_text = f"At most {settings.API_KEY_DAYS}." + (" 0: it never expires." if self.endless else "")

    def clean_days(self) -> int:
        """Raises ValidationError for more than API_KEY_DAYS, and for none where the user may not."""
        days: int = self.cleaned_data["days"]
        if days > settings.API_KEY_DAYS or (days == 0 and not self.endless):
            raise forms.ValidationError(f"From 1 to {settings.API_KEY_DAYS} days.")
        return days

    def expires_at(self) -> dt.datetime | None:
        """When the key ends; None: never."""
        days = self.cleaned_data["days"]
        return timezone.now() + dt.timedelta(days=days) if days else None


@admin.register(ApiKey)
class ApiKeyAdmin(ModelAdmin):
    """Keys; the list shows their beginnings only."""

    icon = "key"
    form = ApiKeyForm
    list_display = (
        "name",
        "beginning",
        theme.column("user", "User"),
        "allowed",
        theme.moment("created_at", "Made"),
        theme.moment("last_used_at", "Last used"),
        theme.moment("expires_at", "Expires"),
    )
    list_select_related = ("user",)
    search_fields = ("name", "prefix")
    search_help_text = "Part of the name, or how the key begins"
    sortable_by = ()

    def get_queryset(self, request: HttpRequest) -> QuerySet[ApiKey]:
        """One's own; all of them for superusers."""
        keys = super().get_queryset(request)
        return keys if request.user.is_superuser else keys.filter(user=request.user.pk)

    def has_change_permission(self, request: HttpRequest, obj: ApiKey | None = None) -> bool:
        """Nobody."""
        return False

    def get_fields(self, request: HttpRequest, obj: ApiKey | None = None) -> tuple[Any, ...]:
        """Those of the form for a new one, else what the list shows."""
        return ApiKeyForm.Meta.fields if obj is None else self.list_display

    def get_readonly_fields(self, request: HttpRequest, obj: ApiKey | None = None) -> tuple[Any, ...]:
        """All of a key that there is."""
        return () if obj is None else self.list_display

    def get_form(self, request: HttpRequest, obj: ApiKey | None = None, change: bool = False, **kwargs: Any) -> Any:
        """The form, with what this user may choose."""
        if obj is not None:
            return super().get_form(request, obj, change, **kwargs)
        return type("ApiKeyForm", (ApiKeyForm,), {"endless": request.user.is_superuser})

    def save_model(self, request: HttpRequest, obj: ApiKey, form: ApiKeyForm, change: bool) -> None:
        """The key is of the user who asks, whatever was posted."""
        obj.user, obj.expires_at = request.user, form.expires_at()
        obj.give_key()
        super().save_model(request, obj, form, change)

    def response_add(self, request: HttpRequest, obj: ApiKey, post_url_continue: str | None = None) -> HttpResponse:
        """The page with the key: the only place where it ever is."""
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": f"New key {obj.name}",
            "key": obj.key,
            "vessels_url": request.build_absolute_uri(reverse("live-vessels")),
            "list_url": reverse("admin:tracking_apikey_changelist"),
        }
        return TemplateResponse(request, "admin/tracking/new_api_key.html", context)

    @display(description="Key")
    def beginning(self, key: ApiKey) -> str:
        """Enough to tell keys apart."""
        return f"{key.prefix}…"

    @display(description="Scopes")
    def allowed(self, key: ApiKey) -> str:
        """By name."""
        return ", ".join(key.scopes)
