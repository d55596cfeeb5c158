"""Which addresses http(s) feeds may reach: the public ones, those that are listed, link-local ones never."""

import asyncio
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured

from ingest.sources import addresses
from ingest.sources.addresses import AddressRefused, networks, refusal, resolve

ROOT = Path(__file__).resolve().parents[2]


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
