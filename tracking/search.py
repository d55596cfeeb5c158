"""What people type to find a ship, an aircraft or a station, as a condition on identities.

Text enters, a narrowed queryset leaves; API and admin share it. It may look inside names: a table of identities has
one row a ship. Positions are never searched.
"""

from django.db.models import Q, QuerySet

from tracking.models import MMSI_MAX, Aircraft, Station, Vessel


def mmsi(text: str) -> int | None:
    """The MMSI (or IMO number) that the text is, leading zeros allowed; None where it is none."""
    number = int(text) if text.isascii() and text.isdigit() and len(text) <= 9 else 0
    return number if 0 < number <= MMSI_MAX else None


def icao(text: str) -> str | None:
    """The ICAO address that the text is, in lower case, `~` in front kept; None where it is none."""
    digits = text.lower().removeprefix("~")
    return text.lower() if len(digits) == 6 and set(digits) <= set("0123456789abcdef") else None


def vessels(found: QuerySet[Vessel], text: str) -> QuerySet[Vessel]:
    """By part of the name, beginning of the call sign, whole MMSI or IMO number. AIS has capitals only."""
    wanted = _name(text) | Q(callsign__startswith=text.strip().upper())
    if number := mmsi(text.strip()):
        wanted |= Q(mmsi=number) | Q(imo=number)
    return found.filter(wanted)


def aircraft(found: QuerySet[Aircraft], text: str) -> QuerySet[Aircraft]:
    """By beginning of the callsign or the registration, or whole ICAO address."""
    upper = text.strip().upper()
    wanted = Q(callsign__startswith=upper) | Q(registration__startswith=upper)
    if address := icao(text.strip()):
        wanted |= Q(icao=address)
    return found.filter(wanted)


def stations(found: QuerySet[Station], text: str) -> QuerySet[Station]:
    """By part of the name or whole MMSI."""
    wanted = _name(text)
    if number := mmsi(text.strip()):
        wanted |= Q(mmsi=number)
    return found.filter(wanted)


def _name(text: str) -> Q:
    return Q(name__contains=text.strip().upper())
