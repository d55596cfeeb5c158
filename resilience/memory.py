"""What a process remembers from one batch to the next, and how it forgets.

A module that keeps state registers how it is forgotten; `forget` does so for all. Nothing here is needed for right
results: whoever has forgotten asks or writes once more. Tests that make a database anew forget first.
"""

from collections.abc import Callable

_forgetters: list[Callable[[], object]] = []


def forgotten_by(forget: Callable[[], object]) -> None:
    """Register how a module forgets what it keeps in this process."""
    _forgetters.append(forget)


def forget() -> None:
    """Forget everything that was registered."""
    for each in _forgetters:
        each()
