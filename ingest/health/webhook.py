"""Sends announcements to ALERT_WEBHOOK_URL: JSON by POST, from a thread of its own, so that nobody waits for it.

The address comes from the settings, not from whoever edits feeds: https goes wherever it says, link-local addresses
excepted. http goes in clear, so only to hosts in the networks of FEED_ALLOW_NETWORKS. No redirect is followed, an
answer is waited for at most TIMEOUT_SECONDS, a failure is logged and not repeated. The log names the host only: the
rest may be a secret.
"""

from __future__ import annotations

import ipaddress
import logging
import queue
import socket
import threading
from typing import Any

from django.conf import settings

from ingest.sources.common.addresses import embedded, is_never, networks
from ingest.sources.common.special_purpose import Address

logger = logging.getLogger(__name__)

for _name in ("httpx", "httpcore"):  # They log whole URLs at INFO, with the keys that some hooks have in them.
    logging.getLogger(_name).setLevel(logging.WARNING)

HookUrl = Any  # an httpx.URL: httpx is imported when a notice is sent, which most processes never do

TIMEOUT_SECONDS = 5.0
WAITING_NOTICES = 100

_waiting: queue.Queue[dict[str, Any]] = queue.Queue(WAITING_NOTICES)
_starting = threading.Lock()
_sender: threading.Thread | None = None


class HookRefused(Exception):
    """The address must not be used; the message says what would help."""


def post(notice: dict[str, Any]) -> None:
    """Have the notice sent soon; nothing where there is no ALERT_WEBHOOK_URL. Never waits, never raises."""
    global _sender
    if not settings.ALERT_WEBHOOK_URL:
        return
    try:
        _waiting.put_nowait(notice)
    except queue.Full:
        logger.warning("the webhook is too slow: the notice about feed %s was not sent", notice.get("feed"))
        return
    with _starting:
        if _sender is None or not _sender.is_alive():
            _sender = threading.Thread(target=_send_all, name="webhook", daemon=True)
            _sender.start()


def send(notice: dict[str, Any]) -> None:
    """Send one notice and wait for the answer. Failures are logged."""
    import httpx

    try:
        url = _checked(settings.ALERT_WEBHOOK_URL)
    except HookRefused as error:
        logger.warning("ALERT_WEBHOOK_URL cannot be used: %s", error)
        return
    try:
        # trust_env off: a proxy of the environment is nobody's intention here.
        client = httpx.Client(timeout=TIMEOUT_SECONDS, follow_redirects=False, trust_env=False)
        with client, client.stream("POST", url, json=notice) as answer:  # its body is nobody's concern
            status = answer.status_code
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        logger.warning("the webhook at %s was not reached: %s", url.host, type(error).__name__)
        return
    if not 200 <= status < 300:
        logger.warning("the webhook at %s answered %d", url.host, status)


def _send_all() -> None:
    """One after the other, for as long as the process lives."""
    while True:
        notice = _waiting.get()
        try:
            send(notice)
        except Exception:
            logger.exception("the notice about feed %s was not sent", notice.get("feed"))
        finally:
            _waiting.task_done()


def _checked(text: str) -> HookUrl:
    """The address. Raises HookRefused."""
    import httpx

    try:
        url = httpx.URL(text)
    except httpx.InvalidURL as error:
        raise HookRefused("it is no URL") from error
    if url.scheme not in ("https", "http") or not url.host:
        raise HookRefused("it must begin with https:// and name a host")
    found = _addresses(url)
    if any(is_never(address) for address in found):
        raise HookRefused(f"{url.host} is link-local: that leads to services of the machine's provider")
    if url.scheme == "http" and not _are_listed(found):
        raise HookRefused(
            f"http:// goes in clear: use https://, or list the network of {url.host} in FEED_ALLOW_NETWORKS"
        )
    return url


def _addresses(url: HookUrl) -> list[Address]:
    """Where packets to the host end, nowhere where its name has no address."""
    try:
        found = socket.getaddrinfo(url.host, url.port or 443, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return []
    return [embedded(ipaddress.ip_address(str(entry[4][0]))) for entry in found]


def _are_listed(found: list[Address]) -> bool:
    """Whether there are addresses, and every one of them lies in a network of FEED_ALLOW_NETWORKS."""
    allowed = networks(settings.FEED_ALLOW_NETWORKS)
    return bool(found) and all(any(address in network for network in allowed) for address in found)
