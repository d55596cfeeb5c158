"""Dead letters as files: a queryset in, lines of NDJSON or CSV out, read page by page while they are sent.

Memory is bounded by one page of 500 letters. Tracebacks are never exported. In CSV, text that a spreadsheet would take
for a formula gets an apostrophe in front.
"""

import csv
import json
import unicodedata
import uuid
from collections.abc import Callable, Iterator
from datetime import datetime
from io import StringIO

from django.db.models import QuerySet
from django.http import StreamingHttpResponse

from resilience.models import DeadLetter
from resilience.pages import readable

PAGE = 500
_PLAIN = (
    *("id", "status", "reason", "sqlstate", "stage", "message", "fingerprint", "source", "received_at", "created_at"),
    *("failed_at", "next_retry_at", "attempts", "kind", "batch_id", "ordinal", "closed_at", "closed_by", "note"),
)
COLUMNS = (*_PLAIN, "raw", "raw_encoding", "edited", "edited_encoding", "edited_by")
_LOOKED_AT = 256  # characters; text that shows nothing in them is not trusted
_FORMULA = ("=", "+", "-", "−", "@")

Lines = Iterator[bytes]


def ndjson(letters: QuerySet[DeadLetter]) -> Lines:
    """One JSON object a line."""
    for letter in _pages(letters):
        yield json.dumps(_values(letter), ensure_ascii=False).encode() + b"\n"


def csv_lines(letters: QuerySet[DeadLetter]) -> Lines:
    """A line of headings and one for each letter, RFC 4180."""
    yield _csv_line(list(COLUMNS))
    for letter in _pages(letters):
        yield _csv_line([_cell(value) for value in _values(letter).values()])


FORMATS: dict[str, tuple[str, Callable[[QuerySet[DeadLetter]], Lines]]] = {
    "ndjson": ("application/x-ndjson", ndjson),
    "csv": ("text/csv; charset=utf-8", csv_lines),
}


def download(letters: QuerySet[DeadLetter], format_: str, now: datetime) -> StreamingHttpResponse:
    """A file `dead-letters-20260301-120000.csv`, sent while the letters are read. `format_` is one of FORMATS."""
    content_type, lines = FORMATS[format_]
    disposition = f'attachment; filename="dead-letters-{now:%Y%m%d-%H%M%S}.{format_}"'
    headers = {"Content-Disposition": disposition, "X-Content-Type-Options": "nosniff"}
    return StreamingHttpResponse(lines(letters), content_type=content_type, headers=headers)


def _pages(letters: QuerySet[DeadLetter]) -> Iterator[DeadLetter]:
    """All of them in the order of their ids; the pooler allows no cursors of the server."""
    letters = letters.defer("traceback", "context", "history").order_by("id")
    last: uuid.UUID | None = None
    while page := list((letters.filter(id__gt=last) if last else letters)[:PAGE]):
        yield from page
        last = page[-1].id


def _values(letter: DeadLetter) -> dict[str, str | int | None]:
    values = {name: _plain(getattr(letter, name)) for name in _PLAIN}
    values["raw"], values["raw_encoding"] = readable.encoded(bytes(letter.raw))
    edited = (None, None) if letter.edited is None else readable.encoded(bytes(letter.edited))
    values["edited"], values["edited_encoding"] = edited
    return values | {"edited_by": letter.edited_by}


def _plain(value: object) -> str | int | None:
    if isinstance(value, datetime):
        return value.isoformat()
    return value if value is None or isinstance(value, int) else str(value)


def _cell(value: str | int | None) -> str:
    """Numbers stay numbers; text that some spreadsheet might compute gets an apostrophe."""
    if isinstance(value, int):
        return str(value)
    return f"'{value}" if value and might_compute(value) else value or ""


def might_compute(text: str) -> bool:
    """Whether it is a formula once what spreadsheets pass over is gone: blanks, controls, marks, widths of letters."""
    if not text[0].isprintable():
        return True
    shown = (char for char in unicodedata.normalize("NFKC", text[:_LOOKED_AT]) if not _is_passed_over(char))
    return next(shown, "=") in _FORMULA


def _is_passed_over(char: str) -> bool:
    return char.isspace() or unicodedata.category(char)[0] in "CZM"


def _csv_line(cells: list[str]) -> bytes:
    line = StringIO()
    csv.writer(line).writerow(cells)
    return line.getvalue().encode()
