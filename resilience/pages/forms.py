"""What the admin asks before it acts on dead letters and breakers."""

from django import forms
from unfold.widgets import UnfoldAdminTextareaWidget


class ReasonForm(forms.Form):
    """Why. Kept with the letter or the transition, and in the log of the admin; one line at least, 300 characters."""

    reason = forms.CharField(max_length=300, widget=UnfoldAdminTextareaWidget(attrs={"rows": 3}))


class FrozenForm(forms.Form):
    """When the question was asked: what has died since is not meant."""

    asked_at = forms.DateTimeField(widget=forms.HiddenInput)


class DiscardForm(ReasonForm, FrozenForm):
    """Why, and when the question was asked."""
