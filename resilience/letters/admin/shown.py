"""What the admin shows of a letter: columns of the list, fields of its page. Everything that came from outside is
escaped; the traceback is shown to those who may see it."""

# mypy: disable-error-code="untyped-decorator"
# (unfold's decorators have no types)

from collections.abc import Iterable, Sequence
from datetime import datetime

from django.http import HttpRequest
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from unfold.decorators import display

from resilience.letters.handlers import NoHandler, Undecodable, handler_of
from resilience.models import DeadLetter
from resilience.pages import readable

RAW_BYTES_SHOWN = 8192
COLOURS = {
    "pending": "warning",
    "exhausted": "danger",
    "resolved": "success",
    "discarded": "info",
    "expired": "info",
}

Fieldsets = list[tuple[str | None, dict[str, list[str]]]]


class LetterFields:
    """For the ModelAdmin of letters, in front of its base."""

    list_display = ("status_label", "reason", "feed", "stage", "died", "attempts", "next_retry", "excerpt")
    list_display_links = ("reason",)

    def get_fieldsets(self, request: HttpRequest, letter: DeadLetter | None = None) -> Fieldsets:
        """What there is to show of this letter, to this user."""
        fieldsets: Fieldsets = [
            (None, {"fields": ["status_label", "reason", "stage", "message", "sqlstate", "group"]}),
            ("Message as received", {"fields": ["raw_text", "raw_hex", "context"]}),
        ]
        if letter is not None and letter.edited is not None:
            fieldsets.append(("Edited message", {"fields": ["edited_text", "edited_by", "edited_when"]}))
        fieldsets += [
            ("Decoded", {"fields": ["decoded"]}),
            ("Attempts", {"fields": ["attempts", "failed", "next_retry", "attempted"]}),
            ("Origin", {"fields": ["source", "received", "died", "kind", "batch_id", "ordinal"]}),
        ]
        if letter is not None and letter.closed_at is not None:
            fieldsets.append(("Closed", {"fields": ["closed", "closed_by", "note"]}))
        if request.user.has_perm("resilience.view_traceback"):
            fieldsets.append(("Traceback", {"fields": ["where"]}))
        return fieldsets

    def get_readonly_fields(self, request: HttpRequest, letter: DeadLetter | None = None) -> Sequence[str]:
        """All of them."""
        return [name for _, options in self.get_fieldsets(request, letter) for name in options["fields"]]

    @display(description="Status", ordering="status", label=COLOURS)
    def status_label(self, letter: DeadLetter) -> str:
        """The badge."""
        return letter.status

    @display(description="Feed", ordering="source")
    def feed(self, letter: DeadLetter) -> str:
        """Its label."""
        return letter.source

    @display(description="Received (UTC)")
    def received(self, letter: DeadLetter) -> str:
        """By the receiver."""
        return readable.moment(letter.received_at)

    @display(description="Died (UTC)", ordering="created_at")
    def died(self, letter: DeadLetter) -> str:
        """When it became a dead letter."""
        return readable.moment(letter.created_at)

    @display(description="Next retry (UTC)", ordering="next_retry_at")
    def next_retry(self, letter: DeadLetter) -> str:
        """By the schedule."""
        return readable.moment(letter.next_retry_at)

    @display(description="Failed last (UTC)")
    def failed(self, letter: DeadLetter) -> str:
        """The latest failure."""
        return readable.moment(letter.failed_at)

    @display(description="Closed (UTC)")
    def closed(self, letter: DeadLetter) -> str:
        """Resolved, discarded or expired."""
        return readable.moment(letter.closed_at)

    @display(description="Message")
    def excerpt(self, letter: DeadLetter) -> str:
        """The beginning of the error's text."""
        line = letter.message.partition("\n")[0]
        return line if len(line) <= 60 else f"{line[:59]}…"

    @display(description="Group")
    def group(self, letter: DeadLetter) -> SafeString:
        """The fingerprint, which leads to all letters that failed in the same way."""
        return format_html(
            '<a class="text-primary-600 dark:text-primary-500" href="../../?fingerprint={}">{}</a>',
            letter.fingerprint,
            letter.fingerprint,
        )

    @display(description="Text")
    def raw_text(self, letter: DeadLetter) -> SafeString:
        """As received."""
        return _text(bytes(letter.raw))

    @display(description="Bytes")
    def raw_hex(self, letter: DeadLetter) -> SafeString | str:
        """Only where the text cannot show them."""
        if readable.is_text(bytes(letter.raw)):
            return "all printable"
        return preformatted(readable.as_hex(bytes(letter.raw[:RAW_BYTES_SHOWN])), len(letter.raw))

    @display(description="Text")
    def edited_text(self, letter: DeadLetter) -> SafeString:
        """What a retry replays."""
        return _text(letter.payload)

    @display(description="Edited (UTC)")
    def edited_when(self, letter: DeadLetter) -> str:
        """The latest edit."""
        return readable.moment(letter.edited_at)

    @display(description="What it says")
    def decoded(self, letter: DeadLetter) -> SafeString | str:
        """By the registered handler; for what cannot be decoded, why."""
        try:
            described = handler_of(letter.kind).describe(letter)
        except Undecodable as error:
            return f"It cannot be decoded: {error.reason}."
        except NoHandler:
            return "Nobody in this installation knows letters of this kind."
        return _rows(described.items())

    @display(description="What was tried")
    def attempted(self, letter: DeadLetter) -> SafeString | str:
        """The latest things done with it, the last one first."""
        if not letter.history:
            return "Nothing yet."
        lines = [
            (
                readable.moment(datetime.fromisoformat(entry["at"])),
                f"{entry['action']} by {entry['by']}: {entry['result']}"
                + (f", {entry['detail']}" if entry["detail"] else ""),
            )
            for entry in reversed(letter.history)
        ]
        return _rows(lines)

    @display(description="Where in the code")
    def where(self, letter: DeadLetter) -> SafeString | str:
        """The traceback of the latest failure."""
        if not letter.traceback:
            return "None: no exception was seen."
        return preformatted(letter.traceback, 0)


def preformatted(text: str, length: int) -> SafeString:
    """Text with its line ends; `length` bytes are all of it."""
    cut = f"\n… {length - RAW_BYTES_SHOWN} bytes more" if length > RAW_BYTES_SHOWN else ""
    style = "white-space: pre-wrap; overflow-wrap: anywhere; max-height: 24rem; overflow-y: auto"
    return format_html('<pre class="text-xs" style="{}">{}{}</pre>', style, text, cut)


def _text(raw: bytes) -> SafeString:
    return preformatted(readable.as_text(raw[:RAW_BYTES_SHOWN]), len(raw))


def _rows(pairs: Iterable[tuple[str, str]]) -> SafeString:
    cells = '<tr><th class="align-top font-semibold pr-6 py-1 text-left whitespace-nowrap">{}</th>'
    cells += '<td class="break-all py-1">{}</td></tr>'
    return format_html("<table>{}</table>", format_html_join("", cells, pairs))
