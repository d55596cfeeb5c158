"""How the lists of identities are narrowed.

Query parameters enter, querysets leave. `search` reads a table of identities (one row a ship, not a position), so it
may look inside names; every other filter is an equality or a range.
"""

from typing import Any

import django_filters
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db.models import QuerySet

from tracking import search
from tracking.models import Aircraft, Station, Vessel

SHIP_TYPE = [MinValueValidator(1), MaxValueValidator(255)]


class UpperCase(django_filters.CharFilter):
    """Equality with a value that is kept in upper case."""

    def filter(self, qs: QuerySet[Any], value: str) -> QuerySet[Any]:
        """Narrow by the value, however it was written."""
        return super().filter(qs, value.upper() if value else value)


class SeenFilter(django_filters.FilterSet):
    """Filters by the latest report."""

    last_seen_after = django_filters.IsoDateTimeFilter(
        field_name="last_seen", lookup_expr="gte", label="heard at or after this time, ISO 8601"
    )
    last_seen_before = django_filters.IsoDateTimeFilter(
        field_name="last_seen", lookup_expr="lt", label="heard for the last time before this time, ISO 8601"
    )


class VesselFilter(SeenFilter):
    """Vessels by search, flag, kind, type and latest report."""

    search = django_filters.CharFilter(
        method="find", label="part of the name, beginning of the call sign, or a whole MMSI or IMO number"
    )
    flag = UpperCase(label="ISO 3166 country, two letters")
    ship_type = django_filters.NumberFilter(validators=SHIP_TYPE, label="type of ship and cargo, 1 to 255")

    class Meta:
        model = Vessel
        fields = ["kind"]

    def find(self, vessels: QuerySet[Vessel], name: str, value: str) -> QuerySet[Vessel]:
        """As in the admin."""
        return search.vessels(vessels, value)


class AircraftFilter(SeenFilter):
    """Aircraft by search, type, category and latest report."""

    search = django_filters.CharFilter(
        method="find", label="beginning of the callsign or registration, or a whole ICAO address"
    )
    type_code = UpperCase(label="ICAO type designator")
    category = UpperCase(label="ADS-B emitter category, A0 to D7")

    class Meta:
        model = Aircraft
        fields = ["squawk"]

    def find(self, aircraft: QuerySet[Aircraft], name: str, value: str) -> QuerySet[Aircraft]:
        """As in the admin."""
        return search.aircraft(aircraft, value)


class StationFilter(SeenFilter):
    """Stations by search, kind and latest report."""

    search = django_filters.CharFilter(method="find", label="part of the name, or a whole MMSI")

    class Meta:
        model = Station
        fields = ["kind"]

    def find(self, stations: QuerySet[Station], name: str, value: str) -> QuerySet[Station]:
        """As in the admin."""
        return search.stations(stations, value)
