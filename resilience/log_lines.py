"""The formatter of the log: a record leaves as one line, whatever foreign text it holds.

Hosts that are read, receivers and files say things that end up in messages and in errors. What is unprintable in them
(line ends, escapes of a terminal, marks that turn the direction of writing) leaves as an escape, so that none of it
looks like a line of ours. The lines of a traceback are ours; they are set in by blanks, as no record is.
"""

import logging
from types import TracebackType

from resilience.pages.readable import one_line

INDENT = "    "

ExceptionInfo = tuple[type[BaseException], BaseException, TracebackType | None] | tuple[None, None, None]


class OneLine(logging.Formatter):
    """A `logging.Formatter` of such lines."""

    def formatMessage(self, record: logging.LogRecord) -> str:
        """The line without its traceback."""
        return one_line(super().formatMessage(record))

    def formatException(self, ei: ExceptionInfo) -> str:
        """The traceback."""
        return _set_in(super().formatException(ei))

    def formatStack(self, stack_info: str) -> str:
        """The stack of a record that asks for it."""
        return _set_in(super().formatStack(stack_info))


def _set_in(text: str) -> str:
    return "\n".join(INDENT + one_line(line) for line in text.split("\n"))
