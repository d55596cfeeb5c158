"""How the lists of identities are narrowed.

Query parameters enter, querysets leave. `search` reads a table of identities (one row a ship, not a position), so it
may look inside names; every other filter is an equality or a range.
"""

from typing import Any

import django_filters
from django import forms
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db.models import QuerySet
from django_filters.rest_framework import DjangoFilterBackend
from rest_framework import serializers
from rest_framework.request import Request

from tracking import search
from tracking.api.common.query import InstantField, refuse_unknown
from tracking.models import Aircraft, Station, Vessel
from tracking.positions.identities import AIRCRAFT_FIELDS, KEPT_VESSEL_FIELDS

SHIP_TYPE = [MinValueValidator(1), MaxValueValidator(255)]


class StrictFilters(DjangoFilterBackend):
    """Django's filters, which refuse unknown parameters: a misspelt one must not mean everything."""

    def filter_queryset(self, request: Request, queryset: QuerySet[Any], view: Any) -> QuerySet[Any]:
        """Narrow the list. Raises ValidationError."""
        filters = self.get_filterset_class(view, queryset)
        pages = (getattr(view.paginator, name, None) for name in ("cursor_query_param", "page_size_query_param"))
        refuse_unknown(request.query_params, {*(filters.base_filters if filters else ()), *pages} - {None})
        return super().filter_queryset(request, queryset, view)


class InstantFormField(forms.CharField):
    """An instant as everywhere in the API: ISO 8601 or epoch seconds."""

    def to_python(self, value: Any) -> Any:
        """An aware UTC datetime; None where nothing is given. Raises forms.ValidationError."""
        if not (text := super().to_python(value)):
            return None
        try:
            return InstantField().to_internal_value(text)
        except serializers.ValidationError as error:
            raise forms.ValidationError(error.detail) from error


class InstantFilter(django_filters.IsoDateTimeFilter):
    """A comparison with an instant that the calendar has."""

    field_class = InstantFormField


class UpperCase(django_filters.CharFilter):
    """Equality with a value that is kept in upper case."""

    def filter(self, qs: QuerySet[Any], value: str) -> QuerySet[Any]:
        """Narrow by the value, however it was written."""
        return super().filter(qs, value.upper() if value else value)


class SeenFilter(django_filters.FilterSet):
    """Filters by the latest report."""

    last_seen_after = InstantFilter(
        field_name="last_seen", lookup_expr="gte", label="heard at or after this time, ISO 8601"
    )
    last_seen_before = InstantFilter(
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


def _named(fields: tuple[str, ...]) -> django_filters.ChoiceFilter:
    return django_filters.ChoiceFilter(choices=[(name, name) for name in fields], label="of this value alone")


class VesselChangeFilter(django_filters.FilterSet):
    """Changes of one value."""

    field = _named(KEPT_VESSEL_FIELDS)


class AircraftChangeFilter(django_filters.FilterSet):
    """Changes of one value."""

    field = _named(AIRCRAFT_FIELDS)
