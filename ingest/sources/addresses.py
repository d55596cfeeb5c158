"""Which addresses http(s) feeds may reach, so that whoever edits feeds cannot make this machine ask its neighbours.

A host name enters; the addresses that may be connected to leave, resolved once: connecting to one of them, and not to
the name again, keeps an answer of the DNS that changes in between (rebinding) from mattering. Everything but global
unicast is refused unless its network is listed in FEED_ALLOW_NETWORKS: receivers that serve aircraft.json stand in
private networks, and so does everything else that trusts its neighbours. Link-local addresses are refused whatever is
listed: clouds hand out credentials there. Nothing is connected to here.

tcp and udp feeds are not asked: they speak to receivers, and no service of a private network answers to silence.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections.abc import Iterable, Sequence

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

# Link-local addresses, and the one unique-local address at which a cloud (AWS) serves its metadata.
NEVER: tuple[Network, ...] = tuple(
    ipaddress.ip_network(text) for text in ("169.254.0.0/16", "fe80::/10", "fd00:ec2::254/128")
)
_GLOBAL_UNICAST = ipaddress.IPv6Network("2000::/3")  # all that is assigned so far, RFC 4291 section 2.4
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")  # RFC 6052


class AddressRefused(Exception):
    """None of the host's addresses may be reached; the message says which setting would allow it."""


def networks(texts: Iterable[str]) -> tuple[Network, ...]:
    """The networks of FEED_ALLOW_NETWORKS. Raises ImproperlyConfigured for one that is none."""
    try:
        return tuple(ipaddress.ip_network(text.strip()) for text in texts)
    except ValueError as error:
        raise ImproperlyConfigured(f"FEED_ALLOW_NETWORKS: {error}, for example 192.168.1.0/24") from error


def refusal(text: str, allowed: Sequence[Network]) -> str | None:
    """Why the address must not be reached, with what would help; None where it may be."""
    address = _embedded(ipaddress.ip_address(text))
    if any(address in network for network in NEVER):
        return f"{text} is link-local: feeds never go there, it leads to services of the machine's provider"
    if _is_public(address) or any(address in network for network in allowed):
        return None
    return (
        f"{text} is {_kind(address)}, which http(s) feeds reach only where it is listed; "
        f"for a receiver of your own set FEED_ALLOW_NETWORKS={_neighbourhood(address)}"
    )


async def resolve(host: str, port: int) -> list[str]:
    """The addresses of the host that may be connected to, the preferred first.

    Raises AddressRefused where there is none, socket.gaierror where the name has no address and UnicodeError where it
    cannot be a name.
    """
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    allowed = networks(settings.FEED_ALLOW_NETWORKS)
    addresses = list(dict.fromkeys(str(entry[4][0]) for entry in found))
    refusals = {address: refusal(address, allowed) for address in addresses}
    if all(refusals.values()):
        raise AddressRefused("; ".join(why for why in refusals.values() if why) or f"{host} has no address")
    return [address for address in addresses if not refusals[address]]


def _embedded(address: Address) -> Address:
    """The IPv4 address that packets to this one end at (mapped, 6to4, NAT64), or the address itself."""
    if isinstance(address, ipaddress.IPv4Address):
        return address
    if address in _NAT64:
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour or address


def _is_public(address: Address) -> bool:
    if isinstance(address, ipaddress.IPv6Address):
        return address in _GLOBAL_UNICAST and address.is_global
    return address.is_global and not address.is_multicast  # to Python the whole of 224.0.0.0/4 is global


def _kind(address: Address) -> str:
    for kind in ("loopback", "multicast", "unspecified", "private", "reserved"):
        if getattr(address, f"is_{kind}"):
            return "an unspecified address" if kind == "unspecified" else f"a {kind} address"
    return "no public address"


def _neighbourhood(address: Address) -> Network:
    """The network that one would list for this address: what its site probably uses."""
    if address.is_loopback:
        return ipaddress.ip_network("127.0.0.0/8" if address.version == 4 else "::1/128")
    return ipaddress.ip_network(f"{address}/{24 if address.version == 4 else 64}", strict=False)
