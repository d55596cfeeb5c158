"""The special-purpose registries of IANA for both versions of IP: ranges whose addresses are no hosts of the public.

Data, and one question: which block holds an address. The tables are the product's own because those of Python's
`ipaddress` differ between its patch releases. Blocks within a listed one that IANA calls globally reachable (PCP and
TURN anycast, AMT, AS112, ORCHIDv2, DRIP) serve protocols and no documents, so they stay listed with the block around
them. Addresses that contain an IPv4 address are no concern of this module (`ingest/sources/common/addresses.py`).

Source: https://www.iana.org/assignments/iana-ipv4-special-registry and …/iana-ipv6-special-registry; multicast and
site-local addresses from the RFCs named.
"""

from __future__ import annotations

import ipaddress
from typing import NamedTuple

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class Block(NamedTuple):
    """A range that is not of the public, what an address in it is called, and the RFC that says so."""

    network: Network
    name: str
    rfc: int


def _blocks(*rows: tuple[str, str, int]) -> tuple[Block, ...]:
    return tuple(Block(ipaddress.ip_network(network), name, rfc) for network, name, rfc in rows)


IPV4 = _blocks(
    ("0.0.0.0/32", "an unspecified address", 1122),
    ("0.0.0.0/8", "an address of this network", 791),
    ("10.0.0.0/8", "a private address", 1918),
    ("100.64.0.0/10", "an address shared behind a provider", 6598),
    ("127.0.0.0/8", "a loopback address", 1122),
    ("169.254.0.0/16", "a link-local address", 3927),
    ("172.16.0.0/12", "a private address", 1918),
    ("192.0.0.0/24", "an address of protocols", 6890),
    ("192.0.2.0/24", "an address of documentation", 5737),
    ("192.88.99.0/24", "an address of former 6to4 relays", 7526),
    ("192.168.0.0/16", "a private address", 1918),
    ("198.18.0.0/15", "an address of benchmarks", 2544),
    ("198.51.100.0/24", "an address of documentation", 5737),
    ("203.0.113.0/24", "an address of documentation", 5737),
    ("224.0.0.0/4", "a multicast address", 5771),
    ("255.255.255.255/32", "the broadcast address", 8190),
    ("240.0.0.0/4", "a reserved address", 1112),
)
IPV6 = _blocks(
    ("::/128", "an unspecified address", 4291),
    ("::1/128", "a loopback address", 4291),
    ("::/96", "an IPv4-compatible address", 4291),
    ("::ffff:0:0/96", "an IPv4-mapped address", 4291),
    ("::ffff:0:0:0/96", "an IPv4-translated address", 2765),
    ("64:ff9b::/96", "an address of NAT64", 6052),
    ("64:ff9b:1::/48", "an address of local NAT64", 8215),
    ("100::/64", "an address that discards", 6666),
    ("100:0:0:1::/64", "a dummy address", 9780),
    ("2001::/23", "an address of protocols", 2928),
    ("2001:db8::/32", "an address of documentation", 3849),
    ("2002::/16", "an address of 6to4", 3056),
    ("3fff::/20", "an address of documentation", 9637),
    ("5f00::/16", "an identifier of segment routing", 9602),
    ("fc00::/7", "a private address", 4193),
    ("fe80::/10", "a link-local address", 4291),
    ("fec0::/10", "a site-local address", 3879),
    ("ff00::/8", "a multicast address", 4291),
)
_GLOBAL_UNICAST = ipaddress.IPv6Network("2000::/3")  # all that is assigned to hosts so far, RFC 4291 section 2.4
_UNASSIGNED = Block(ipaddress.ip_network("::/0"), "an address outside of global unicast", 4291)


def block_of(address: Address) -> Block | None:
    """The block that holds the address; None where it is an ordinary one of the public."""
    for block in IPV4 if address.version == 4 else IPV6:
        if address in block.network:
            return block
    return None if address.version == 4 or address in _GLOBAL_UNICAST else _UNASSIGNED
