"""Which addresses feeds may reach: the public ones, those that are listed, link-local ones never."""

import asyncio
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured

from ingest.sources.common import addresses, special_purpose
from ingest.sources.common.addresses import AddressRefused, networks, refusal, resolve

ROOT = Path(__file__).resolve().parents[4]


@pytest.mark.parametrize(
    "address", ["8.8.8.8", "194.209.200.34", "2606:4700::1111", "64:ff9b::808:808", "2002:808:808::1"]
)
def test_public_addresses_are_reached(address):
    assert refusal(address, ()) is None


@pytest.mark.parametrize(
    "address",
    [
        *("127.0.0.1", "127.8.9.10", "10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.20", "100.64.0.1"),
        *("0.0.0.0", "224.0.0.1", "239.255.255.250", "240.0.0.1", "255.255.255.255", "192.0.2.1", "198.18.0.1"),
        *("::", "::1", "fc00::1", "fd12:3456::1", "fec0::1", "ff02::1", "2001:db8::1", "2001::1", "64:ff9b:1::808:808"),
    ],
)
def test_addresses_of_the_neighbourhood_are_refused_with_what_would_help(address):
    assert "set FEED_ALLOW_NETWORKS=" in refusal(address, ())


@pytest.mark.parametrize(
    "address", ["::ffff:10.0.0.1", "64:ff9b::a00:1", "2002:a00:1::", "::ffff:127.0.0.1", "::10.0.0.1"]
)
def test_an_ipv4_address_within_an_ipv6_address_is_seen(address):
    assert refusal(address, ())


@pytest.mark.parametrize(
    ("address", "suggested"),
    [
        ("192.168.1.20", "192.168.1.0/24"),
        ("127.0.0.1", "127.0.0.0/8"),
        ("::1", "::1/128"),
        ("fd12:3456::7", "fd12:3456::/64"),
        ("::ffff:192.168.1.20", "192.168.1.0/24"),
    ],
)
def test_what_a_refusal_suggests_allows_the_address(address, suggested):
    assert f"FEED_ALLOW_NETWORKS={suggested}" in refusal(address, ())
    assert refusal(address, networks([suggested])) is None


@pytest.mark.parametrize(
    "address",
    [
        *("169.254.169.254", "::ffff:169.254.169.254", "64:ff9b::a9fe:a9fe", "2002:a9fe:a9fe::"),
        *("fe80::1", "fe80::1%eth0", "fd00:ec2::254"),
    ],
)
def test_link_local_addresses_are_never_reached_whatever_is_listed(address):
    everything = networks(["0.0.0.0/0", "::/0", "169.254.0.0/16", "fe80::/10"])
    said = refusal(address, everything)
    assert "link-local" in said and "FEED_ALLOW_NETWORKS" not in said


# What each is and whether the public may be meant by it, by the registries of IANA and not by Python's tables.
OF_THE_PUBLIC = [
    *("1.1.1.1", "8.8.8.8", "9.255.255.255", "11.0.0.0", "100.63.255.255", "100.128.0.0", "126.255.255.255"),
    *("128.0.0.0", "169.253.255.255", "169.255.0.0", "172.15.255.255", "172.32.0.0", "191.255.255.255", "192.0.1.0"),
    *("192.0.3.0", "192.88.98.255", "192.88.100.0", "192.167.255.255", "192.169.0.0", "198.17.255.255", "198.20.0.0"),
    *("198.51.101.0", "203.0.114.0", "223.255.255.255", "2001:200::1", "2001:db7::1", "2001:db9::1", "2003::1"),
    *("2606:4700::1111", "2a00:1450::1", "3ffe:ffff::1", "3fff:1000::1", "::ffff:8.8.8.8", "64:ff9b::808:808"),
    *("2002:808:808::1", "2001:0:4136:e378:8000:63bf:f7f7:f7f7"),
]
OF_NO_PUBLIC = [
    *("0.0.0.0", "0.1.2.3", "10.0.0.0", "10.255.255.255", "100.64.0.0", "100.127.255.255", "127.0.0.1"),
    *("127.255.255.255", "169.254.0.1", "172.16.0.0", "172.31.255.255", "192.0.0.0", "192.0.0.9", "192.0.0.10"),
    *("192.0.0.170", "192.0.0.192", "192.0.0.255", "192.0.2.1", "192.88.99.0", "192.88.99.1", "192.88.99.255"),
    *("192.168.0.0", "192.168.255.255", "198.18.0.0", "198.19.255.255", "198.51.100.7", "203.0.113.255", "224.0.0.1"),
    *("239.255.255.255", "240.0.0.0", "255.255.255.254", "255.255.255.255", "::", "::1", "::8.8.8.8"),
    *("::ffff:0:8.8.8.8", "::ffff:10.0.0.1", "::ffff:192.0.0.192", "64:ff9b::a00:1", "64:ff9b::c000:c0"),
    *("64:ff9b:1::808:808", "100::1", "100:0:0:1::1", "2001::1", "2001:1::1", "2001:2::1", "2001:10::1"),
    *("2001:20::1", "2001:30::1", "2001:1ff::1", "2001:db8::1", "2002:a00:1::1", "2002:7f00:1::", "2002:c058:6301::"),
    *("2001:0:4136:e378:8000:63bf:3fff:fdd2", "2001:0:4136:e378:8000:63bf:f5ff:fffe", "3fff::1", "3fff:fff:ffff::1"),
    *("4000::1", "5f00::1", "8000::1", "fc00::1", "fdff::1", "fe80::1", "fec0::1", "ff02::1"),
]


@pytest.mark.parametrize("address", OF_THE_PUBLIC)
def test_what_iana_leaves_to_the_public_is_reached(address):
    assert refusal(address, ()) is None


@pytest.mark.parametrize("address", OF_NO_PUBLIC)
def test_what_iana_keeps_for_a_purpose_is_refused(address):
    assert refusal(address, ())


def test_every_block_names_its_rfc_and_lies_behind_no_wider_one():
    for table in (special_purpose.IPV4, special_purpose.IPV6):
        for place, block in enumerate(table):
            assert block.rfc > 700
            assert not any(block.network.subnet_of(before.network) for before in table[:place])


def test_a_listed_network_allows_no_other(settings):
    allowed = networks(["192.168.1.0/24"])
    assert refusal("192.168.1.255", allowed) is None
    assert refusal("192.168.2.1", allowed)


def test_a_network_that_is_none_is_named():
    with pytest.raises(ImproperlyConfigured, match=r"FEED_ALLOW_NETWORKS: '10\.0\.0/8'.*for example"):
        networks(["10.0.0/8"])


def test_a_wrong_network_stops_the_start():
    command = [sys.executable, "manage.py", "check"]
    environment = {"FEED_ALLOW_NETWORKS": "192.168.1.0/24,my-lan", "DATA_DIR": addresses.settings.DATA_DIR}
    ended = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode != 0
    assert "FEED_ALLOW_NETWORKS: 'my-lan'" in ended.stderr


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "127.1", "2130706433", "0x7f000001", "::ffff:127.0.0.1"])
def test_however_the_loopback_is_written_it_is_refused_unless_listed(settings, host):
    settings.FEED_ALLOW_NETWORKS = []
    with pytest.raises(AddressRefused, match="loopback"):
        asyncio.run(resolve(host, 80))
    settings.FEED_ALLOW_NETWORKS = ["127.0.0.0/8"]
    assert asyncio.run(resolve(host, 80))[0] in ("127.0.0.1", "::ffff:127.0.0.1")


def test_of_a_host_with_public_and_private_addresses_only_the_public_ones_are_left(settings, monkeypatch):
    settings.FEED_ALLOW_NETWORKS = []

    async def both(self, host, port, **_):
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (text, port)) for text in ("10.0.0.1", "8.8.8.8")]

    monkeypatch.setattr(asyncio.BaseEventLoop, "getaddrinfo", both)
    assert asyncio.run(resolve("both.example", 443)) == ["8.8.8.8"]


def test_a_name_without_an_address_says_so():
    with pytest.raises(socket.gaierror):
        asyncio.run(resolve("no-such-host.invalid", 80))
