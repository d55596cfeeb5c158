"""The address of an aisstream.io feed as people write it, and the subscription that it means.

    aisstream://KEY@stream.aisstream.io/v0/stream?bbox=50,-5,60,10&mmsi=244660123,244660124&types=PositionReport

A URL enters; a Subscription, or a ValueError that names the fault, leaves. Nothing is opened here. `bbox` holds two
corners (latitude, longitude, latitude, longitude; degrees) and may come several times; without it the world is meant.
`mmsi` and `types` narrow the stream down. `tls=off` is for a relay of one's own. Host and path may be left out.
Source: aisstream.io/documentation; keys of the subscription as the server reads them (others it silently ignores).
"""

from __future__ import annotations

from urllib.parse import parse_qsl, unquote, urlsplit

import msgspec

HOST, PATH = "stream.aisstream.io", "/v0/stream"
Corner = tuple[float, float]
WORLD: tuple[Corner, Corner] = ((-90.0, -180.0), (90.0, 180.0))
TYPES = frozenset(
    [
        "PositionReport",
        "UnknownMessage",
        "AddressedSafetyMessage",
        "AddressedBinaryMessage",
        "AidsToNavigationReport",
        "AssignedModeCommand",
        "BaseStationReport",
        "BinaryAcknowledge",
        "BinaryBroadcastMessage",
        "ChannelManagement",
        "CoordinatedUTCInquiry",
        "DataLinkManagementMessage",
        "DataLinkManagementMessageData",
        "ExtendedClassBPositionReport",
        "GroupAssignmentCommand",
        "GnssBroadcastBinaryMessage",
        "Interrogation",
        "LongRangeAisBroadcastMessage",
        "MultiSlotBinaryMessage",
        "SafetyBroadcastMessage",
        "ShipStaticData",
        "SingleSlotBinaryMessage",
        "StandardClassBPositionReport",
        "StandardSearchAndRescueAircraftReport",
        "StaticDataReport",
    ]
)


class Subscription(msgspec.Struct, frozen=True):
    """What is asked for, and where. `boxes`: pairs of corners, each (latitude, longitude) in degrees."""

    key: str
    host: str
    port: int
    path: str
    secure: bool
    boxes: tuple[tuple[Corner, Corner], ...]
    mmsi: tuple[str, ...] = ()
    types: tuple[str, ...] = ()

    @property
    def uri(self) -> str:
        """Where the websocket is, without the key."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'wss' if self.secure else 'ws'}://{host}:{self.port}{self.path}"

    def request(self) -> str:
        """The message that subscribes; it holds the key."""
        said: dict[str, object] = {"APIKey": self.key, "BoundingBoxes": self.boxes}
        if self.mmsi:
            said["FiltersShipMMSI"] = self.mmsi
        if self.types:
            said["FilterMessageTypes"] = self.types
        return msgspec.json.encode(said).decode()


def parse_url(url: str) -> Subscription:
    """The subscription. Raises ValueError."""
    parts = urlsplit(url)
    key = unquote(parts.username or "")
    if not key:
        raise ValueError("the API key is missing in front of the @")
    if parts.password is not None or parts.fragment:
        raise ValueError("the key stands alone in front of the @, and nothing follows the options")
    options = parse_qsl(parts.query, keep_blank_values=True)
    for name, value in options:
        if name not in ("bbox", "mmsi", "types", "tls"):
            raise ValueError(f"{name} is not an option: use bbox, mmsi, types or tls")
        if name == "tls" and value not in ("on", "off"):
            raise ValueError("tls is on or off")
    secure = ("tls", "off") not in options
    return Subscription(
        key=key,
        host=parts.hostname or HOST,
        port=parts.port or (443 if secure else 80),
        path=parts.path if parts.path.strip("/") else PATH,
        secure=secure,
        boxes=tuple(_box(value) for name, value in options if name == "bbox") or (WORLD,),
        mmsi=tuple(_mmsi(part) for name, value in options if name == "mmsi" for part in value.split(",")),
        types=tuple(_type(part) for name, value in options if name == "types" for part in value.split(",")),
    )


def _box(text: str) -> tuple[Corner, Corner]:
    try:
        south, west, north, east = (float(part) for part in text.split(","))
    except ValueError:
        raise ValueError("bbox is four numbers: latitude, longitude, latitude, longitude") from None
    if not (abs(south) <= 90 and abs(north) <= 90 and abs(west) <= 180 and abs(east) <= 180):  # NaN fails as well
        raise ValueError("bbox is latitude, longitude, latitude, longitude, -90 to 90 and -180 to 180 degrees")
    return (south, west), (north, east)


def _mmsi(text: str) -> str:
    if not (len(text) == 9 and text.isascii() and text.isdigit()):
        raise ValueError(f"mmsi {text[:20]!r} is not nine digits")
    return text


def _type(text: str) -> str:
    if text not in TYPES:
        raise ValueError(f"types {text[:40]!r} is not a message type of aisstream.io, such as PositionReport")
    return text
