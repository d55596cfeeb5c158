"""Addresses of notifications: which of apprise's are taken, and how they are shown.

An address is that of a service elsewhere, whoever may enter one: what apprise offers on the host itself, and what has
it read files, is refused, and so are hosts of the private network that NOTIFY_ALLOW_NETWORKS does not list. Secrets
leave this module only inside the plugin that sends.
"""

from __future__ import annotations

import ipaddress
import socket
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from django.conf import settings

# Services of the desktop or the host that runs the worker, and those whose keys are files on it.
LOCAL_SCHEMES = {
    *("syslog", "dbus", "qt", "kde", "glib", "gio", "gnome", "macosx", "windows", "blink1", "growl"),
    *("fcm", "vapid", "simplepush", "spush", "deltachat", "deltachats"),
}
_FILE_OPTIONS = {"template", "pgp", "pgppub", "pgpprv", "pgpkey", "keyfile", "subfile", "wkd", "attach"}

Plugin = Any


class BadTarget(Exception):
    """The address cannot be used; the message says why, without the address."""


def opened(url: str) -> Plugin:
    """The plugin that sends to the address, which follows no redirect. Raises BadTarget."""
    scheme = urlsplit(url).scheme.lower()
    if scheme in LOCAL_SCHEMES:
        raise BadTarget(f"{scheme}:// is a service of this host or needs files of it")
    options = dict(parse_qsl(urlsplit(url).query, keep_blank_values=True))
    if named := sorted(_FILE_OPTIONS & {name.lower() for name in options}):
        raise BadTarget(f"the option {named[0]} is not taken: it leads to files")
    plugin = _plugin(url)
    if plugin is None:
        raise BadTarget("apprise knows no such address: see its list of services for how yours is written")
    plugin.redirects = False
    return plugin


def check(url: str) -> None:
    """Raises BadTarget unless something can be sent there, as far as is known now."""
    check_host(opened(url))


def check_host(plugin: Plugin) -> None:
    """Raises BadTarget where the host lies in a network that is not allowed; one without an address is none of ours."""
    host = getattr(plugin, "smtp_host", None) or getattr(plugin, "host", None)
    if not host:
        return
    for address in _addresses(str(host)):
        if not _is_allowed(address):
            raise BadTarget(f"{address} is no public address: list its network in NOTIFY_ALLOW_NETWORKS")


def masked(url: str) -> str:
    """Scheme and host, as far as the host is no secret: that of services with a name of their own often is the key."""
    plugin = _plugin(url)
    scheme = urlsplit(url).scheme
    host = getattr(plugin, "smtp_host", None) or getattr(plugin, "host", None)
    return f"{scheme}://{host}/…" if host and getattr(plugin, "service_url", None) in (None, "") else f"{scheme}://…"


def _plugin(url: str) -> Plugin | None:
    """What apprise has for the address, with nothing of this host in its reach; None: it knows no such address."""
    import apprise  # when first needed: it brings an HTTP client into each process

    asset = apprise.AppriseAsset(
        app_id="Tracking", app_desc="Tracking", app_url="", secure_logging=True, allow_templates=False, plugin_paths=[]
    )
    plugin = apprise.Apprise.instantiate(url, asset=asset, suppress_exceptions=True)
    return plugin if isinstance(plugin, apprise.NotifyBase) else None


def _addresses(host: str) -> list[ipaddress.IPv4Address | ipaddress.IPv6Address]:
    try:
        found = socket.getaddrinfo(host.strip("[]"), None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return []
    return [ipaddress.ip_address(str(entry[4][0]).partition("%")[0]) for entry in found]


def _is_allowed(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    inner = getattr(address, "ipv4_mapped", None) or address
    if inner.is_link_local or inner.is_unspecified or inner.is_multicast:
        return False
    networks = [ipaddress.ip_network(text) for text in settings.NOTIFY_ALLOW_NETWORKS]
    return bool(inner.is_global) or any(inner in network for network in networks)
