"""The form in which a message of a dead letter is mended."""

from typing import Any

from django import forms
from unfold.widgets import UnfoldAdminTextareaWidget

from resilience.letters import editing
from resilience.letters.handlers import NoHandler, Undecodable
from resilience.models import DeadLetter


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
