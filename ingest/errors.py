"""The two ways in which input is refused; each carries a stable reason code, never prose.

A refusal costs the one line or message it names, is counted under its reason, and says nothing about the next.
"""


class Refused(Exception):
    """Base of both: `reason` is a stable code such as `latitude_out_of_range`."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Malformed(Refused):
    """A line that is no sentence, though it looks like one (raised before acceptance)."""


class Rejected(Refused):
    """A message that was accepted and cannot become a report: undecodable, or out of range."""
