"""How the API writes dead letters, their groups and their jobs, and what it reads."""

from typing import Any

from django.http import HttpRequest
from rest_framework import serializers

from resilience.letters import editing
from resilience.letters.handlers import NoHandler, Undecodable, handler_of
from resilience.letters.selection import BadSelection, Selection
from resilience.models import DeadLetter, LetterJob
from resilience.pages import readable

FILTERS = {"status", "reason", "source", "stage", "age", "fingerprint", "batch_id"}
_FILTERS_HELP = f"any of {', '.join(sorted(FILTERS))}, with the values of the list; {{}}: all letters"


class DeadLetterSerializer(serializers.ModelSerializer[DeadLetter]):
    """A letter; `raw` is the message itself where all of it is printable, otherwise its bytes in hexadecimal."""

    raw = serializers.SerializerMethodField()
    raw_encoding = serializers.SerializerMethodField(help_text="`utf-8` or `hex`")

    class Meta:
        model = DeadLetter
        fields = [
            *["id", "status", "kind", "batch_id", "ordinal", "source", "received_at", "raw", "raw_encoding", "stage"],
            *["reason", "sqlstate", "message", "fingerprint", "attempts", "failed_at", "next_retry_at", "created_at"],
            *["edited_by", "edited_at", "closed_at", "closed_by", "note"],
        ]
        read_only_fields = fields

    def get_raw(self, letter: DeadLetter) -> str:
        """As received."""
        return readable.encoded(bytes(letter.raw))[0]

    def get_raw_encoding(self, letter: DeadLetter) -> str:
        """Of `raw`."""
        return readable.encoded(bytes(letter.raw))[1]


class AttemptSerializer(serializers.Serializer[None]):
    """One thing done with a letter."""

    at = serializers.DateTimeField()
    by = serializers.CharField()
    action = serializers.CharField(help_text="retry, edit or close")
    result = serializers.CharField()
    detail = serializers.CharField(allow_blank=True)


class LetterDetailSerializer(DeadLetterSerializer):
    """A letter with what it says, its history, and its traceback for those who may see it."""

    edited = serializers.SerializerMethodField(help_text="what a retry replays; null: as received")
    edited_encoding = serializers.SerializerMethodField(help_text="`utf-8` or `hex`; null: not edited")
    decoded = serializers.SerializerMethodField(help_text="names to values; null: it cannot be decoded")
    undecodable = serializers.SerializerMethodField(help_text="why it cannot be decoded; empty: it can")
    history = AttemptSerializer(many=True, read_only=True)

    class Meta(DeadLetterSerializer.Meta):
        fields = [
            *DeadLetterSerializer.Meta.fields,
            *["edited", "edited_encoding", "decoded", "undecodable", "history", "traceback"],
        ]
        read_only_fields = fields
        extra_kwargs = {"traceback": {"help_text": "absent without the permission view_traceback"}}

    def get_edited(self, letter: DeadLetter) -> str | None:
        """The mended message."""
        return None if letter.edited is None else readable.encoded(letter.payload)[0]

    def get_edited_encoding(self, letter: DeadLetter) -> str | None:
        """Of `edited`."""
        return None if letter.edited is None else readable.encoded(letter.payload)[1]

    def get_decoded(self, letter: DeadLetter) -> dict[str, str] | None:
        """By the registered handler."""
        return _decoded(letter)[0]

    def get_undecodable(self, letter: DeadLetter) -> str:
        """A stable code."""
        return _decoded(letter)[1]

    def to_representation(self, letter: DeadLetter) -> dict[str, Any]:
        """Without what the user may not see."""
        shown: dict[str, Any] = super().to_representation(letter)
        request: HttpRequest | None = self.context.get("request")
        if request is None or not request.user.has_perm("resilience.view_traceback"):
            del shown["traceback"]
        return shown


class ReasonSerializer(serializers.Serializer[None]):
    """Why a letter is given up."""

    reason = serializers.CharField(max_length=300)


class EditSerializer(serializers.Serializer[None]):
    """The mended message."""

    message = serializers.CharField(trim_whitespace=False, max_length=3 * editing.MAX_BYTES)
    encoding = serializers.ChoiceField(choices=[editing.TEXT, editing.HEX], default=editing.TEXT)


class ResultSerializer(serializers.Serializer[None]):
    """What became of a letter."""

    result = serializers.CharField(help_text="resolved, failed, exhausted, skipped, unavailable or discarded")
    detail = serializers.CharField(help_text="the outcome, or the reason of the failure", allow_blank=True)


class BulkSerializer(serializers.Serializer[None]):
    """Which letters a job deals with."""

    filter = serializers.DictField(child=serializers.CharField(allow_blank=True), help_text=_FILTERS_HELP)

    def validate_filter(self, value: dict[str, str]) -> Selection:
        """A misspelt filter must not mean all letters."""
        unknown = set(value) - FILTERS
        if unknown:
            raise serializers.ValidationError(f"no such filter: {', '.join(sorted(unknown))}")
        try:
            return Selection.of(value)
        except BadSelection as error:
            raise serializers.ValidationError(str(error)) from error


class BulkDiscardSerializer(BulkSerializer, ReasonSerializer):
    """Which letters a job discards, and why."""


class LetterJobSerializer(serializers.ModelSerializer[LetterJob]):
    """A job and how far it is."""

    class Meta:
        model = LetterJob
        fields = [
            *[
                "id",
                "action",
                "status",
                "selection",
                "reason",
                "frozen_at",
                "created_by",
                "created_at",
                "total",
                "done",
            ],
            *["resolved", "failed", "skipped", "progressed_at", "finished_at"],
        ]
        read_only_fields = fields


class LetterGroupSerializer(serializers.Serializer[None]):
    """Open letters of one fingerprint; reason to source are those of the newest."""

    fingerprint = serializers.CharField()
    count = serializers.IntegerField(help_text="at most 10,000")
    counted_all = serializers.BooleanField(help_text="false: there are more than `count`")
    first_seen = serializers.DateTimeField()
    last_seen = serializers.DateTimeField()
    reason = serializers.CharField()
    stage = serializers.CharField()
    sqlstate = serializers.CharField()
    message = serializers.CharField()
    source = serializers.CharField()  # type: ignore[assignment]  # a field may be called so


def _decoded(letter: DeadLetter) -> tuple[dict[str, str] | None, str]:
    try:
        return dict(handler_of(letter.kind).describe(letter)), ""
    except (Undecodable, NoHandler) as error:
        return None, error.reason
