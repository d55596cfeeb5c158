"""Who may see what is for the operators' own networks: `limited` views, and the networks that a setting names.

Addresses are those that connect: behind a proxy, the proxy's. No name is resolved.
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
        if networks and not holds(networks, request.META.get("REMOTE_ADDR", "")):
            return HttpResponseNotFound()
        return view(request)

    return inner


def holds(networks: Iterable[Network], address: str) -> bool:
    """Whether one of them holds the address; what is no address, such as that of a unix socket, lies nowhere."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return False
    found = getattr(found, "ipv4_mapped", None) or found  # how a dual-stack socket writes IPv4
    return any(found in network for network in networks)
