"""Who may see what is for the operators' own networks: `limited` views, and the networks that a setting names.

`client_address` is the one place that says whose a request is: the address that connects, or with BEHIND_PROXY the one
that the proxy names. Throttles, log-ins and networks all ask it. No name is resolved.
"""

from __future__ import annotations

import functools
import ipaddress
from collections.abc import Callable, Iterable

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.http import HttpRequest, HttpResponseBase, HttpResponseNotFound

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
View = Callable[[HttpRequest], HttpResponseBase]


def parsed(setting: str, texts: Iterable[str]) -> tuple[Network, ...]:
    """The networks of a setting, in CIDR. Raises ImproperlyConfigured for one that is none."""
    try:
        return tuple(ipaddress.ip_network(text.strip()) for text in texts)
    except ValueError as error:
        raise ImproperlyConfigured(f"{setting}: {error}, for example 192.168.1.0/24") from error


def limited(view: View) -> View:
    """A view for STATUS_NETWORKS alone (everybody where that is empty); others find nothing there."""

    @functools.wraps(view)
    def inner(request: HttpRequest) -> HttpResponseBase:
        networks = parsed("STATUS_NETWORKS", settings.STATUS_NETWORKS)
        if networks and not holds(networks, client_address(request)):
            return HttpResponseNotFound()
        return view(request)

    return inner


def client_address(request: HttpRequest) -> str:
    """Whose request it is: with BEHIND_PROXY the last address of X-Forwarded-For, the one that our proxy wrote."""
    if settings.BEHIND_PROXY and (forwarded := request.META.get("HTTP_X_FORWARDED_FOR", "")):
        return str(forwarded).rpartition(",")[2].strip()
    return str(request.META.get("REMOTE_ADDR", ""))


def holder(address: str) -> str:
    """Who is counted for an address: itself, or of IPv6 its /64, which one customer has to himself."""
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address[:64]
    if isinstance(found, ipaddress.IPv4Address):
        return str(found)
    return str(found.ipv4_mapped or ipaddress.ip_network((found, 64), strict=False))


def holds(networks: Iterable[Network], address: str) -> bool:
    """Whether one of them holds the address; what is no address, such as that of a unix socket, lies nowhere."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return False
    found = getattr(found, "ipv4_mapped", None) or found  # how a dual-stack socket writes IPv4
    return any(found in network for network in networks)
