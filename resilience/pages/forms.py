"""What the admin asks before it acts on dead letters and breakers."""

from typing import Any

from django import forms
from unfold.widgets import UnfoldAdminTextareaWidget

from resilience.letters import editing
from resilience.letters.handlers import NoHandler, Undecodable
from resilience.models import DeadLetter


class ReasonForm(forms.Form):
    """Why. Kept with the letter or the transition, and in the log of the admin; one line at least, 300 characters."""

    reason = forms.CharField(max_length=300, widget=UnfoldAdminTextareaWidget(attrs={"rows": 3}))


class FrozenForm(forms.Form):
    """When the question was asked: what has died since is not meant."""

    asked_at = forms.DateTimeField(widget=forms.HiddenInput)


class DiscardForm(ReasonForm, FrozenForm):
    """Why, and when the question was asked."""


class EditForm(forms.Form):
    """The message that is replayed instead of the one received: text, or bytes in hexadecimal.

    Valid once the handler of the letter can decode it; then `cleaned_data["message"]` is bytes.
    """

    message = forms.CharField(
        strip=False,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 6, "spellcheck": "false", "style": "font-family: monospace"}),
    )

    def __init__(self, letter: DeadLetter, data: Any = None) -> None:
        self._letter = letter
        self._encoding = editing.encoding_of(letter.payload)
        super().__init__(data, initial={"message": editing.as_edited(letter.payload)})
        if self._encoding == editing.HEX:
            self.fields["message"].label = "Message, bytes in hexadecimal"

    def clean_message(self) -> bytes:
        """Refuse what nobody could decode, with the reason."""
        try:
            message = editing.parse(self.cleaned_data["message"], self._encoding)
            editing.check(self._letter, message)
        except (Undecodable, NoHandler) as error:
            raise forms.ValidationError(f"This cannot be decoded: {error.reason}.") from error
        return message
