"""The shape of what leaves: identities, positions, tracks, live documents.

Units are in the help texts of the models, which the schema repeats. Nothing enters here: the API is read-only.
"""

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from tracking.models import Aircraft, AircraftChange, AircraftPosition, Station, Vessel, VesselChange, VesselPosition

POSITION = ["timestamp", "latitude", "longitude", "received_at", "source", "score"]


class VesselPositionSerializer(serializers.ModelSerializer[VesselPosition]):
    """One position of a vessel."""

    class Meta:
        model = VesselPosition
        fields = [*POSITION, "track", "speed", "course", "heading", "status"]


class AircraftPositionSerializer(serializers.ModelSerializer[AircraftPosition]):
    """One position of an aircraft."""

    class Meta:
        model = AircraftPosition
        fields = [*POSITION, "track", "altitude", "ground_speed", "heading", "vertical_rate", "on_ground"]


class LiveSerializer(serializers.Serializer[Any]):
    """What every live document has; further fields come as they are heard."""

    id = serializers.CharField(help_text="MMSI without leading zeros, or ICAO address in lower case")
    ts = serializers.FloatField(help_text="time of the newest value, epoch seconds")
    lat = serializers.FloatField(required=False, help_text="degrees north, WGS 84; absent: not known")
    lon = serializers.FloatField(required=False, help_text="degrees east, WGS 84; absent: not known")
    distance_nm = serializers.FloatField(required=False, help_text="from the place of `near`, nautical miles")
    name = serializers.CharField(required=False, help_text="name, absent where none was heard")
    source = serializers.CharField(required=False, help_text="label of the feed")
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

    class Meta:
        model = Vessel
        fields = "__all__"


class AircraftSerializer(serializers.ModelSerializer[Aircraft]):
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

    position = VesselPositionSerializer(allow_null=True, help_text="latest stored position; null: none is stored")


class AircraftDetailSerializer(_Live, AircraftSerializer):
    """An aircraft, its latest stored position and its live document."""

    position = AircraftPositionSerializer(allow_null=True, help_text="latest stored position; null: none is stored")


class StationDetailSerializer(_Live, StationSerializer):
    """A station and its live document."""


class _Track(serializers.Serializer[Any]):
    """What every track has."""

    simplified = serializers.BooleanField(help_text="whether points were left out because `points` asked for fewer")
    truncated = serializers.BooleanField(help_text="whether there are more points than are given at once")
    next = serializers.URLField(allow_null=True, help_text="where the track goes on; null: it is complete")

    def get_fields(self) -> dict[str, Any]:
        """`from` is a word of Python, so it cannot be declared as an attribute."""
        ends = {"from": "begin, included", "to": "end, excluded"}
        return {name: serializers.DateTimeField(help_text=text) for name, text in ends.items()} | super().get_fields()


class VesselTrackSerializer(_Track):
    """Positions of a vessel, in order of time."""

    points = VesselPositionSerializer(many=True)


class AircraftTrackSerializer(_Track):
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
