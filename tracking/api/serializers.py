"""The shape of what leaves: identities, positions, tracks, live documents.

Units are in the help texts of the models, which the schema repeats. Nothing enters here: the API is read-only.
"""

from typing import Any

import msgspec
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from tracking.models import Aircraft, AircraftChange, AircraftPosition, Station, Vessel, VesselChange, VesselPosition
from tracking.positions import codes
from tracking.registry import lookup
from tracking.registry.countries import country_of
from tracking.registry.silhouettes import silhouette_of

POSITION = ["timestamp", "latitude", "longitude", "received_at", "source", "score"]


class VesselPositionSerializer(serializers.ModelSerializer[VesselPosition]):
    """One position of a vessel."""

    class Meta:
        model = VesselPosition
        fields = [*POSITION, "track", "heard_by", "speed", "course", "heading", "status"]


class AircraftPositionSerializer(serializers.ModelSerializer[AircraftPosition]):
    """One position of an aircraft."""

    class Meta:
        model = AircraftPosition
        fields = [*POSITION, "track", "heard_by", "altitude", "ground_speed", "heading", "vertical_rate", "on_ground"]


class LatestVesselPositionSerializer(VesselPositionSerializer):
    """A position of a vessel, with its status in words."""

    status_text = serializers.SerializerMethodField(help_text="the status in words with its code; null: undefined")

    class Meta(VesselPositionSerializer.Meta):
        fields = [*VesselPositionSerializer.Meta.fields, "status_text"]

    def get_status_text(self, position: VesselPosition | dict[str, Any]) -> str | None:
        """Such as "Moored (5)". What comes from the archive is a dictionary."""
        return codes.status_text(position["status"] if isinstance(position, dict) else position.status)


class LiveSerializer(serializers.Serializer[Any]):
    """What every live document has; further fields come as they are heard."""

    id = serializers.CharField(
        help_text="MMSI without leading zeros, or ICAO address in lower case; /1 or /2 behind it: another "
        "target under the same identity"
    )
    ts = serializers.FloatField(help_text="time of the newest value, epoch seconds")
    lat = serializers.FloatField(required=False, help_text="degrees north, WGS 84; absent: not known")
    lon = serializers.FloatField(required=False, help_text="degrees east, WGS 84; absent: not known")
    distance_nm = serializers.FloatField(required=False, help_text="from the place of `near`, nautical miles")
    name = serializers.CharField(required=False, help_text="name, absent where none was heard")
    tracks = serializers.IntegerField(
        required=False,
        help_text="under how many targets this identity is shown; the others have /1 or /2 behind their id",
    )
    source = serializers.CharField(required=False, help_text="label of the feed")
    heard_by = serializers.ListField(
        child=serializers.CharField(),
        required=False,
        help_text="of one target alone: the feeds that have heard its identity within 20 to 30 minutes, sorted",
    )
    country = serializers.CharField(required=False, help_text="of aircraft: ISO 3166 country of the address's block")
    silhouette = serializers.CharField(required=False, help_text="of aircraft: jet, heavy, prop, light, heli or glider")
    register = serializers.DictField(
        required=False, help_text="of aircraft: registration, type_code, operator and military of imported registers"
    )
    ages = serializers.DictField(
        child=serializers.FloatField(),
        help_text='time of each field (or "position") that is older than `ts`, epoch seconds',
    )


class LivePageSerializer(serializers.Serializer[Any]):
    """Live targets of a box."""

    count = serializers.IntegerField(help_text="how many are given")
    truncated = serializers.BooleanField(help_text="whether the box holds more than `limit`")
    results = LiveSerializer(many=True)


@extend_schema_field(LiveSerializer(allow_null=True))
class LiveDocumentField(serializers.Field):
    """A live document as it is kept."""

    def to_representation(self, value: dict[str, Any]) -> dict[str, Any]:
        """The document itself."""
        return value


class _Live(serializers.Serializer[Any]):
    """What the page of one target adds to its identity."""

    live = LiveDocumentField(help_text="its live document; null: nothing heard lately, or live state is away")
    live_available = serializers.BooleanField(help_text="whether live state could be asked")


class VesselSerializer(serializers.ModelSerializer[Vessel]):
    """A vessel."""

    ship_type_text = serializers.SerializerMethodField(help_text="the type in words with its code; null: not known")

    class Meta:
        model = Vessel
        fields = "__all__"

    def get_ship_type_text(self, vessel: Vessel) -> str | None:
        """Such as "Cargo ship (70)"."""
        return codes.ship_type_text(vessel.ship_type)


class RegisterSerializer(serializers.Serializer[Any]):
    """What registers know of an aircraft; empty where none says it."""

    registration = serializers.CharField(help_text="tail number")
    type_code = serializers.CharField(help_text="ICAO type designator, such as A320")
    operator = serializers.CharField(help_text="who operates it, else who owns it")
    military = serializers.BooleanField(help_text="whether a register calls it military")


class RegisterFields(serializers.Serializer[Any]):
    """What is known of an aircraft beside what was heard; registers are asked once for a page."""

    country = serializers.SerializerMethodField(help_text="ISO 3166 country of its address's block; empty: none")
    silhouette = serializers.SerializerMethodField(help_text="jet, heavy, prop, light, heli or glider; empty: unknown")
    register = serializers.SerializerMethodField(help_text="what imported registers say; null: nothing")

    def get_country(self, aircraft: Aircraft) -> str:
        """By the address."""
        return country_of(aircraft.icao)

    def get_silhouette(self, aircraft: Aircraft) -> str:
        """By the type that was heard, else by that of the registers."""
        return silhouette_of(aircraft.type_code or self._registered(aircraft).type_code, aircraft.category)

    @extend_schema_field(RegisterSerializer(allow_null=True))
    def get_register(self, aircraft: Aircraft) -> dict[str, Any] | None:
        """Looked up for all aircraft of the page at once."""
        found = self._registered(aircraft)
        return None if found is lookup.UNKNOWN else msgspec.structs.asdict(found)

    def _registered(self, aircraft: Aircraft) -> lookup.Registered:
        asked: dict[str, lookup.Registered] | None = self.context.get("registered")
        if asked is None:
            all_of_them = getattr(self.parent, "instance", None) or [aircraft]
            asked = self.context["registered"] = lookup.of({one.icao for one in all_of_them})
        return asked.get(aircraft.icao, lookup.UNKNOWN)


class AircraftSerializer(RegisterFields, serializers.ModelSerializer[Aircraft]):
    """An aircraft."""

    class Meta:
        model = Aircraft
        fields = "__all__"


class StationSerializer(serializers.ModelSerializer[Station]):
    """A base station or an aid to navigation."""

    class Meta:
        model = Station
        fields = "__all__"


class VesselDetailSerializer(_Live, VesselSerializer):
    """A vessel, its latest stored position and its live document."""

    position = LatestVesselPositionSerializer(allow_null=True, help_text="latest stored position; null: none is stored")


class AircraftDetailSerializer(_Live, AircraftSerializer):
    """An aircraft, its latest stored position and its live document."""

    position = AircraftPositionSerializer(allow_null=True, help_text="latest stored position; null: none is stored")


class StationDetailSerializer(_Live, StationSerializer):
    """A station and its live document."""


class _TrackFields(serializers.Serializer[Any]):
    """What every track has."""

    simplified = serializers.BooleanField(help_text="whether points were left out because `points` asked for fewer")
    truncated = serializers.BooleanField(help_text="whether there are more points than are given at once")
    next = serializers.URLField(allow_null=True, help_text="where the track goes on; null: it is complete")

    def get_fields(self) -> dict[str, Any]:
        """`from` is a word of Python, so it cannot be declared as an attribute."""
        ends = {"from": "begin, included", "to": "end, excluded"}
        return {name: serializers.DateTimeField(help_text=text) for name, text in ends.items()} | super().get_fields()


class VesselTrackSerializer(_TrackFields):
    """Positions of a vessel, in order of time."""

    points = VesselPositionSerializer(many=True)


class AircraftTrackSerializer(_TrackFields):
    """Positions of an aircraft, in order of time."""

    points = AircraftPositionSerializer(many=True)


class VesselChangeSerializer(serializers.ModelSerializer[VesselChange]):
    """A value that a vessel said of herself from a time on."""

    class Meta:
        model = VesselChange
        fields = ["since", "field", "value", "source"]


class AircraftChangeSerializer(serializers.ModelSerializer[AircraftChange]):
    """A value that an aircraft, or a source, said of it from a time on."""

    class Meta:
        model = AircraftChange
        fields = ["since", "field", "value", "source"]
