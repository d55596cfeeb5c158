"""Targets of notifications in the admin. An address holds secrets: it is entered, and no page shows it again."""

from __future__ import annotations

from typing import Any, ClassVar

from django import forms
from django.contrib import admin
from unfold.admin import ModelAdmin
from unfold.decorators import display
from unfold.widgets import UnfoldAdminCheckboxSelectMultipleWidget, UnfoldAdminPasswordWidget

from tracking import theme
from tracking.events.models.event import EventKind
from tracking.events.models.notices import NotificationTarget
from tracking.events.notices import addresses

MOST_CHARACTERS = 1000


class NotificationTargetForm(forms.ModelForm):  # type: ignore[type-arg]
    """A target; an empty address leaves the one that is there."""

    address = forms.CharField(
        max_length=MOST_CHARACTERS,
        required=False,
        widget=UnfoldAdminPasswordWidget,
        help_text="of apprise: mailtos://user:password@example.org, tgram://bot/chat, jsons://host/path …; never shown"
        " again, so keep it elsewhere",
    )
    kinds = forms.MultipleChoiceField(
        choices=EventKind.choices,
        widget=UnfoldAdminCheckboxSelectMultipleWidget,
        help_text="which events are sent there",
    )

    class Meta:
        model = NotificationTarget
        fields = ("name", "address", "kinds", "enabled")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.instance.pk and "address" in self.fields:
            self.fields["address"].label = "New address"
            self.fields["address"].help_text = "leave it empty to keep the present one"

    def clean_address(self) -> str:
        """Raises ValidationError that names no part of the address."""
        url: str = self.cleaned_data["address"].strip()
        if not url and not self.instance.pk:
            raise forms.ValidationError("An address is needed.")
        try:
            if url:
                addresses.check(url)
        except addresses.BadTarget as error:
            raise forms.ValidationError(str(error)) from error
        return url

    def save(self, commit: bool = True) -> Any:
        """With the new address, where there is one."""
        if self.cleaned_data["address"]:
            self.instance.url = self.cleaned_data["address"]
        return super().save(commit)


@admin.register(NotificationTarget)
class NotificationTargetAdmin(ModelAdmin):  # type: ignore[misc]  # unfold has no types
    """Who is told of events."""

    icon = "campaign"
    form = NotificationTargetForm
    show_full_result_count = False
    list_display = ("name", "sent_to", "wants", "enabled", theme.moment("created_at", "Made"))
    readonly_fields = ("sent_to",)
    fields = ("name", "sent_to", "address", "kinds", "enabled")
    search_fields = ("name",)  # never the address: a search would read it letter by letter
    search_help_text = "Part of the name"
    _HIDDEN: ClassVar[set[str]] = {"address"}

    def get_fields(self, request: Any, obj: NotificationTarget | None = None) -> list[str]:
        """Who may only look sees no field for an address; a new target has none to show."""
        can_change = self.has_change_permission(request, obj) if obj else True
        hidden = ({"sent_to"} if obj is None else set()) | (set() if can_change else self._HIDDEN)
        return [name for name in self.fields if name not in hidden]

    @display(description="Sent to")  # type: ignore[untyped-decorator]
    def sent_to(self, target: NotificationTarget) -> str:
        """The address without its secrets."""
        return addresses.masked(target.url)

    @display(description="Events")  # type: ignore[untyped-decorator]
    def wants(self, target: NotificationTarget) -> str:
        """Their kinds."""
        return "all" if set(target.kinds) == set(EventKind) else ", ".join(target.kinds)
