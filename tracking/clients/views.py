"""The addresses that clients of others ask. As public as live state is, and shared for a second, like its own API.

From the live Redis alone; the traces are of PostgreSQL and the archive, and answer 503 while these are away. With
LIVE_PUBLIC any page of any site may read them, as it may read those of readsb.
"""

from __future__ import annotations

import math
import re
from functools import partial
from typing import Any

from django.conf import settings
from django.http import HttpResponseBase
from drf_spectacular.utils import extend_schema
from rest_framework.exceptions import NotFound, ValidationError
from rest_framework.request import Request

from tracking import search
from tracking.api.common.throttles import ChangesRate
from tracking.clients import adsbx, readsb, ships, signalk, traces
from tracking.live_api.live import LiveView, answers, respond

_TRACE = re.compile(r"trace_(?P<part>full|recent)_(?P<address>~?[0-9a-fA-F]{6})\.json")


@extend_schema(exclude=True)  # documents of others, which describe them
class ClientView(LiveView):
    """A document of somebody else's format."""

    throttle_classes = [ChangesRate]

    def get(self, request: Request, **asked: str) -> HttpResponseBase:
        """The document. Raises ValidationError, NotFound, and what its makers raise."""
        key, make = self.wanted(**asked)
        response = respond(request, answers.get((type(self).__name__, *key), make))
        if settings.LIVE_PUBLIC:
            response.headers["Access-Control-Allow-Origin"] = "*"
        return response

    def wanted(self, **asked: str) -> tuple[tuple[Any, ...], Any]:
        """By what the answer is known to be the same, and how it is made."""
        raise NotImplementedError


class AircraftJson(ClientView):
    """readsb's data/aircraft.json."""

    def wanted(self, **asked: str) -> tuple[tuple[Any, ...], Any]:
        """All aircraft."""
        return (), readsb.aircraft_json


class ReceiverJson(ClientView):
    """readsb's data/receiver.json."""

    def wanted(self, **asked: str) -> tuple[tuple[Any, ...], Any]:
        """The same for everybody."""
        return (), readsb.receiver_json


class TraceJson(ClientView):
    """readsb's data/traces/."""

    def wanted(self, **asked: str) -> tuple[tuple[Any, ...], Any]:
        """The trace of one aircraft. Raises NotFound for an address in the wrong folder."""
        file = _TRACE.fullmatch(asked["file"])
        address = search.icao(file["address"]) if file is not None else None
        if file is None or address is None or address[-2:] != asked["folder"].lower():
            raise NotFound("A trace is a file trace_full_ or trace_recent_ in the folder of its last two digits.")
        length = traces.FULL if file["part"] == "full" else traces.RECENT
        return (address, file["part"]), partial(_trace, address, length)


def _trace(address: str, length: Any) -> bytes:
    found = traces.trace(address, length)
    if found is None:
        raise NotFound(f"{address!r} was not heard within the last {settings.LIVE_TTL_SECONDS} seconds.")
    return found


class ByAddress(ClientView):
    """ADSBx v2: aircraft by their ICAO addresses."""

    def wanted(self, **asked: str) -> tuple[tuple[Any, ...], Any]:
        """Raises ValidationError for what is no address, and for too many."""
        texts = asked["addresses"].split(",")
        addresses = [address for text in texts if (address := search.icao(text)) is not None]
        if len(addresses) < len(texts) or len(texts) > adsbx.MOST_ADDRESSES:
            raise ValidationError(
                {"addresses": [f"Up to {adsbx.MOST_ADDRESSES} of six hexadecimal digits, by commas."]}
            )
        return tuple(addresses), partial(adsbx.by_address, addresses)


class ByName(ClientView):
    """ADSBx v2: aircraft by callsign, registration, type or squawk."""

    def wanted(self, **asked: str) -> tuple[tuple[Any, ...], Any]:
        """All that were heard in the last minute."""
        names = tuple(asked["names"].split(","))
        return (asked["what"], *names), partial(adsbx.by_name, asked["what"], names)


class Around(ClientView):
    """ADSBx v2: aircraft within a distance of a place."""

    closest = False

    def wanted(self, **asked: str) -> tuple[tuple[Any, ...], Any]:
        """Raises ValidationError for what is no place, and for a distance beyond the greatest."""
        latitude, longitude = _number("lat", asked["lat"], 90.0), _number("lon", asked["lon"], 180.0)
        miles = _number("radius", asked["radius"], adsbx.MOST_MILES)
        if miles < 0:
            raise ValidationError({"radius": ["Not below 0."]})
        place = (latitude, longitude, miles, self.closest)
        return place, partial(adsbx.around, *place)


class Closest(Around):
    """ADSBx v2: the nearest aircraft."""

    closest = True


class ShipsJson(ClientView):
    """AIS-catcher's api/ships.json."""

    def wanted(self, **asked: str) -> tuple[tuple[Any, ...], Any]:
        """All ships."""
        return (), ships.ships_json


class SignalKVessels(ClientView):
    """Signal K's vessels."""

    def wanted(self, **asked: str) -> tuple[tuple[Any, ...], Any]:
        """All vessels."""
        return (), signalk.vessels_json


class SignalKDiscovery(ClientView):
    """Signal K's list of what there is."""

    def wanted(self, **asked: str) -> tuple[tuple[Any, ...], Any]:
        """By the address under which it was asked."""
        root = self.request.build_absolute_uri("/")
        return (root,), partial(signalk.discovery_json, root)


def _number(name: str, text: str, most: float) -> float:
    """A number whose amount is at most `most`. Raises ValidationError."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not abs(value) <= most:
        raise ValidationError({name: [f"A number up to {most:g}."]})
    return value
