"""Addresses of feeds as people write them: what is wrong with one, and how one is shown without its secrets.

An address enters; a sentence that names the fault, or an address with its secrets masked, leaves. Nothing is opened
and no name is resolved here: the collector does that and refuses what it must not reach.
"""

import ipaddress
import re
from urllib.parse import urlsplit

from ingest.simulator.traffic.options import parse_url as parse_simulator_url
from ingest.sources.common.aisstream_options import parse_url as parse_aisstream_url

MASK = "***"
EXAMPLES = {
    "tcp": "tcp://192.168.1.20:10110",
    "tcp-listen": "tcp-listen://0.0.0.0:10110",
    "udp": "udp://0.0.0.0:10110",
    "http": "http://192.168.1.20/data/aircraft.json",
    "https": "https://opensky-network.org/api/states/all?lamin=45.8&lomin=5.9&lamax=47.8&lomax=10.5",
    "stream+http": "stream+http://192.168.1.20:8100/events",
    "stream+https": "stream+https://live.ais.barentswatch.no/v1/combined",
    "aisstream": "aisstream://KEY@stream.aisstream.io/v0/stream?bbox=50,-5,60,10",
    "push": "push://",
    "sim": "sim://?ships=60",
    "file": "file:///var/log/ais.nmea",
}
_LONGEST_SHOWN = 500  # characters of an address, which may be a foreign host's
_PARAMETER = re.compile(r"([?&;][^?=&;#]*=)[^&;#]*")
_SECRET_WORDS = ("token", "key", "secret", "pass", "auth", "sig")
_USERINFO = re.compile(r"^([a-zA-Z][a-zA-Z0-9+.-]*://)[^/?#]*@")
_HOST = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9_.-]{0,251}[A-Za-z0-9_.])?")


class BadFeedUrl(ValueError):
    """The address cannot be that of a feed; the text says why, and how a right one looks."""


def masked(url: str) -> str:
    """The address, cut to 500 characters, with user, password and the values of secret parameters replaced."""
    return _PARAMETER.sub(_masked_parameter, _USERINFO.sub(rf"\g<1>{MASK}@", url[:_LONGEST_SHOWN]))


def _masked_parameter(found: re.Match[str]) -> str:
    """A name is compared whole, after the match: a pattern for it would go over foreign text again and again."""
    return f"{found[1]}{MASK}" if any(word in found[1].lower() for word in _SECRET_WORDS) else found[0]


def check(url: str) -> None:
    """Raise BadFeedUrl unless the address has one of the schemes of EXAMPLES and what that scheme needs."""
    if any(character.isspace() or not character.isprintable() for character in url):
        raise BadFeedUrl("The address holds a space or an unprintable character.")
    scheme, separator, _ = url.partition("://")
    if not separator or scheme not in EXAMPLES:
        known = ", ".join(f"{name}://" for name in EXAMPLES)
        raise BadFeedUrl(f"The address must begin with one of {known}; for example {EXAMPLES['tcp']}.")
    try:
        _CHECKS[scheme](url)
    except BadFeedUrl as error:
        raise BadFeedUrl(f"{error} For example {EXAMPLES[scheme]}.") from error
    except ValueError as error:  # of urlsplit, its port and the simulator's options
        raise BadFeedUrl(f"{str(error)[:1].upper()}{str(error)[1:]}. For example {EXAMPLES[scheme]}.") from error


def _check_socket(url: str) -> None:
    parts = urlsplit(url)
    if not parts.hostname:
        raise BadFeedUrl("A host or an address is missing between // and the port.")
    if not parts.port:  # raises ValueError beyond 65535
        raise BadFeedUrl("A port from 1 to 65535 is missing after the host.")
    if parts.path not in ("", "/") or parts.query or parts.fragment:
        raise BadFeedUrl("Nothing may follow the port.")
    _check_host(parts.hostname)


def _check_host(host: str) -> None:
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        if not _HOST.fullmatch(host):
            raise BadFeedUrl(f"{host!r} is neither a host name nor an address.") from None
        return
    if address.is_link_local:
        raise BadFeedUrl("Link-local addresses are never read: they lead to services of the machine's provider.")


def _check_local_socket(url: str) -> None:
    """A socket of this machine has no user to sign in as."""
    if "@" in urlsplit(url).netloc:
        raise BadFeedUrl("A listening address has no user and no password.")
    _check_socket(url)


def _check_document(url: str) -> None:
    parts = urlsplit(url)
    if not parts.hostname:
        raise BadFeedUrl("A host or an address is missing after //.")
    if parts.port == 0:  # raises ValueError beyond 65535
        raise BadFeedUrl("The port must be from 1 to 65535.")
    _check_host(parts.hostname)


def _check_file(url: str) -> None:
    parts = urlsplit(url)
    if parts.netloc or not parts.path.startswith("/") or parts.path.endswith("/"):
        raise BadFeedUrl("A file needs its full path, with three slashes.")
    if ".." in parts.path.split("/"):
        raise BadFeedUrl("The path must not lead upwards (..).")


def _check_aisstream(url: str) -> None:
    _check_host(parse_aisstream_url(url).host)


def _check_push(url: str) -> None:
    if url != "push://":
        raise BadFeedUrl("Nothing may follow the slashes: receivers push to /api/push/<source>/.")


def _check_simulator(url: str) -> None:
    parse_simulator_url(url)


_CHECKS = {
    "tcp": _check_socket,
    "tcp-listen": _check_local_socket,
    "udp": _check_local_socket,
    "http": _check_document,
    "https": _check_document,
    "stream+http": _check_document,
    "stream+https": _check_document,
    "file": _check_file,
    "aisstream": _check_aisstream,
    "push": _check_push,
    "sim": _check_simulator,
}
