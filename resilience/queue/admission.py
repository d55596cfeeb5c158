"""What the queue may run: packages signed with our key that name callables of QUEUE_ALLOWED_TASKS, and nothing else.

A package as it lies in a stream enters; an empty text leaves, or the reason why it must not run. What then becomes of
it is for `resilience/queue/broker.py`. A package that another key signed is not opened: pickles run what they like. Who
has that key, in SECRET_KEY_FALLBACKS, can have it signed anew (`signed_anew`).
"""

from django.conf import settings
from django_q.conf import Conf
from django_q.core_signing import TimestampSigner
from django_q.signing import BadSignature, SignedPackage
from django_q.utils import get_func_repr

BAD_SIGNATURE = "bad_signature"  # how the reason begins where nothing else is known of a package
_FIX = "not signed with the SECRET_KEY of this host; set the same SECRET_KEY on all hosts, see `manage.py parked`"


def refusal_of(payload: bytes) -> str:
    """Why a package must not run, or an empty string. A bad pickle may raise anything."""
    try:
        package = SignedPackage.loads(payload.decode())
        called = {get_func_repr(package["func"]), get_func_repr(package.get("hook"))} - {None}
    except BadSignature:
        return f"{BAD_SIGNATURE}: {_FIX}"
    except Exception as error:
        return f"unreadable package: {type(error).__name__}"
    refused = called - set(settings.QUEUE_ALLOWED_TASKS)
    return f"not in QUEUE_ALLOWED_TASKS: {', '.join(sorted(refused))}" if refused else ""


def signed_anew(payload: bytes) -> str | None:
    """The package as our SECRET_KEY signs it, unopened; None if neither that nor one of SECRET_KEY_FALLBACKS did."""
    others = settings.SECRET_KEY_FALLBACKS
    for key in (Conf.SECRET_KEY, *others, *(key.strip() for key in others)):  # a file's last line feed is no key's
        try:
            package = payload.decode()
            content = TimestampSigner(key=key, salt=Conf.PREFIX).unsign(package)
        except (BadSignature, ValueError):
            continue
        return package if key == Conf.SECRET_KEY else str(_ours().sign(content))
    return None


def _ours() -> TimestampSigner:
    return TimestampSigner(key=Conf.SECRET_KEY, salt=Conf.PREFIX)
