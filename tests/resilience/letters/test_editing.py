"""Mending a message by hand: decoded first, accounted like a retry, and what was received stays."""

import pytest

from resilience.letters import editing
from resilience.letters.handlers import NoHandler, Undecodable
from resilience.models import DeadLetter
from tests.support.letters import SENTENCE, RecordingHandler, Refusal, fail_with, make_letter

pytestmark = pytest.mark.django_db
MENDED = b"!AIVDM,1,1,,A,mended,0*00"


def test_an_edited_message_is_replayed_and_the_received_one_kept(handler: RecordingHandler) -> None:
    letter = make_letter()
    assert editing.edit_and_retry(letter.pk, MENDED, "ada").result == "resolved"
    letter.refresh_from_db()
    assert handler.payloads == [MENDED]
    assert (bytes(letter.raw), bytes(letter.edited), letter.edited_by) == (SENTENCE, MENDED, "ada")
    assert [(entry["action"], entry["result"]) for entry in letter.history] == [
        ("edit", "edited"),
        ("retry", "resolved"),
    ]


def test_an_edit_that_fails_counts_as_an_attempt_and_is_kept(handler: RecordingHandler) -> None:
    handler.act = fail_with(Refusal("still_bad"))
    letter = make_letter()
    assert editing.edit_and_retry(letter.pk, MENDED, "ada").detail == "still_bad"
    letter.refresh_from_db()
    assert (letter.status, letter.attempts, letter.payload, bytes(letter.raw)) == ("pending", 1, MENDED, SENTENCE)


@pytest.mark.parametrize("reason", ["no_sentence", "not_editable", "no_handler"])
def test_what_cannot_be_decoded_changes_nothing(handler: RecordingHandler, reason: str) -> None:
    letter = make_letter(kind="unheard_of" if reason == "no_handler" else "test")
    handler.editable = reason != "not_editable"
    with pytest.raises((Undecodable, NoHandler)) as refused:
        editing.edit_and_retry(letter.pk, b"rubbish", "ada")
    assert refused.value.reason == reason
    letter.refresh_from_db()
    assert (letter.edited, letter.attempts, letter.history, handler.replayed) == (None, 0, [], [])


def test_a_closed_letter_is_not_edited(handler: RecordingHandler) -> None:
    letter = make_letter(status=DeadLetter.Status.RESOLVED)
    assert editing.edit_and_retry(letter.pk, MENDED, "ada").result == "skipped"
    letter.refresh_from_db()
    assert letter.edited is None


@pytest.mark.parametrize("raw", [b"a\nb", "ü".encode(), b"\x1a3\x00", b"a\r\nb", b"\xff"])
def test_what_a_browser_sends_back_unchanged_is_the_same_bytes(raw: bytes) -> None:
    sent = editing.as_edited(raw).replace("\n", "\r\n")  # as browsers do in text fields
    assert editing.parse(sent, editing.encoding_of(raw)) == raw


@pytest.mark.parametrize(
    ("text", "encoding", "reason"),
    [
        ("xyz", "hex", "not_hexadecimal"),
        (" \r\n", "utf-8", "empty"),
        ("", "hex", "empty"),
        ("a" * 65_537, "utf-8", "too_long"),
        ("\ud800", "utf-8", "not_utf8"),
    ],
)
def test_what_is_no_message_is_refused_with_a_code(text: str, encoding: str, reason: str) -> None:
    with pytest.raises(Undecodable) as refused:
        editing.parse(text, encoding)
    assert refused.value.reason == reason
