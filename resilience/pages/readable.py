"""Messages and times for human eyes: bytes or a time in, plain text out (whoever puts it into HTML escapes it)."""

from datetime import UTC, datetime


def is_text(raw: bytes) -> bool:
    """Whether all of it is printable UTF-8, line ends and tabs included."""
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        return False
    return all(char.isprintable() or char in "\r\n\t" for char in text)


def as_text(raw: bytes) -> str:
    """The text, with everything unprintable as an escape such as `\\x00`."""
    text = raw.decode(errors="backslashreplace")
    return "".join(char if char.isprintable() or char == "\n" else _escape(char) for char in text)


def one_line(text: str) -> str:
    """The text, with everything unprintable as an escape, line ends as well: fit for a log and a terminal."""
    return text if text.isprintable() else "".join(char if char.isprintable() else _escape(char) for char in text)


def encoded(raw: bytes) -> tuple[str, str]:
    """The message itself and `utf-8` where all of it is printable, otherwise its bytes in hexadecimal and `hex`."""
    return (raw.decode(), "utf-8") if is_text(raw) else (raw.hex(), "hex")


def as_hex(raw: bytes) -> str:
    """A dump of 16 bytes a line, each line with its offset in hexadecimal."""
    lines = (raw[start : start + 16] for start in range(0, len(raw), 16))
    return "\n".join(f"{number * 16:06x}  {line.hex(' ')}" for number, line in enumerate(lines))


def moment(when: datetime | None) -> str:
    """A time in UTC to the second, `-` for None."""
    return f"{when.astimezone(UTC):%Y-%m-%d %H:%M:%S}" if when else "-"


def _escape(char: str) -> str:
    return char.encode("unicode_escape").decode()
