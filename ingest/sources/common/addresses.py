"""Which addresses feeds may reach, so that whoever edits feeds cannot make this machine ask its neighbours.

A host name enters; the addresses that may be connected to leave, resolved once: connecting to one of them, and not to
the name again, keeps an answer of the DNS that changes in between (rebinding) from mattering. Every answer is judged by
the registries of IANA (`special_purpose.py`), and one that contains an IPv4 address by that. What is not of the public
is refused unless its network is listed in FEED_ALLOW_NETWORKS. Link-local addresses are refused whatever is listed:
clouds hand out credentials there. Nothing is connected to here.

http(s) and aisstream feeds reach the public. tcp feeds reach the networks of RECEIVERS too, without being listed: there
receivers stand, and a tcp feed sends nothing, so no service there can be made to act. Loopback is listed in neither.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections.abc import Iterable, Sequence

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from ingest.sources.common.special_purpose import Address, Network, block_of

# Link-local addresses, and the one unique-local address at which a cloud (AWS) serves its metadata.
NEVER: tuple[Network, ...] = tuple(
    ipaddress.ip_network(text) for text in ("169.254.0.0/16", "fe80::/10", "fd00:ec2::254/128")
)
# Where receivers stand: private networks, and those shared behind a provider, of which overlay networks make use.
RECEIVERS: tuple[Network, ...] = tuple(
    ipaddress.ip_network(text)
    for text in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "fc00::/7")
)
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
    address = embedded(ipaddress.ip_address(text))
    if is_never(address):
        return f"{text} is link-local: feeds never go there, it leads to services of the machine's provider"
    block = block_of(address)
    if block is None or any(address in network for network in allowed):
        return None
    return (
        f"{text} is {block.name}, which feeds reach only where it is listed; "
        f"for a receiver of your own set FEED_ALLOW_NETWORKS={_neighbourhood(address)}"
    )


def is_never(address: Address) -> bool:
    """Whether it is link-local, which no setting allows."""
    return any(address in network for network in NEVER)


async def resolve(host: str, port: int, beside: Sequence[Network] = ()) -> list[str]:
    """The addresses of the host that may be connected to, the preferred first; `beside`: networks allowed unlisted.

    Raises AddressRefused where there is none, socket.gaierror where the name has no address and UnicodeError where it
    cannot be a name.
    """
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    allowed = (*networks(settings.FEED_ALLOW_NETWORKS), *beside)
    addresses = list(dict.fromkeys(str(entry[4][0]) for entry in found))
    refusals = {address: refusal(address, allowed) for address in addresses}
    if all(refusals.values()):
        raise AddressRefused("; ".join(why for why in refusals.values() if why) or f"{host} has no address")
    return [address for address in addresses if not refusals[address]]


def embedded(address: Address) -> Address:
    """The IPv4 address that packets to this one end at (mapped, NAT64, 6to4, Teredo), or the address itself."""
    if isinstance(address, ipaddress.IPv4Address):
        return address
    if address in _NAT64:
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour or (address.teredo or (None, None))[1] or address


def _neighbourhood(address: Address) -> Network:
    """The network that one would list for this address: what its site probably uses."""
    if address.is_loopback:
        return ipaddress.ip_network("127.0.0.0/8" if address.version == 4 else "::1/128")
    return ipaddress.ip_network(f"{address}/{24 if address.version == 4 else 64}", strict=False)
