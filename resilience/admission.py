"""What the queue may run: packages signed with our key that name callables of QUEUE_ALLOWED_TASKS, and nothing else.

A package as it lies in a stream enters; an empty text leaves, or the reason why it must not run. What then becomes of
it is for `resilience/broker.py`.
"""

from django.conf import settings
from django_q.signing import SignedPackage
from django_q.utils import get_func_repr


def refusal_of(payload: bytes) -> str:
    """Why a package must not run, or an empty string. A bad pickle may raise anything."""
    try:
        package = SignedPackage.loads(payload.decode())
        called = {get_func_repr(package["func"]), get_func_repr(package.get("hook"))} - {None}
    except Exception as error:
        return f"unreadable package: {type(error).__name__}"
    refused = called - set(settings.QUEUE_ALLOWED_TASKS)
    return f"not in QUEUE_ALLOWED_TASKS: {', '.join(sorted(refused))}" if refused else ""
