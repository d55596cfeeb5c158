"""What people type to find a ship, an aircraft or a station, as a condition on identities.

Text enters, a narrowed queryset leaves; API and admin share it. It may look inside names: a table of identities has
one row a ship. Positions are never searched. Whole keys come first and alone: beside a condition on names, PostgreSQL
would walk the lists' order and read the table.
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
    """By whole MMSI or, where no ship has it, part of the name, beginning of the call sign or whole IMO number."""
    number = mmsi(text.strip())
    if number and found.filter(mmsi=number).exists():
        return found.filter(Q(mmsi=number) | Q(imo=number))
    wanted = _name(text) | Q(callsign__istartswith=text.strip())
    return found.filter(wanted | Q(imo=number) if number else wanted)


def aircraft(found: QuerySet[Aircraft], text: str) -> QuerySet[Aircraft]:
    """By whole ICAO address or, where no aircraft has it, beginning of the callsign or the registration."""
    address = icao(text.strip())
    if address and found.filter(icao=address).exists():
        return found.filter(icao=address)
    return found.filter(Q(callsign__istartswith=text.strip()) | Q(registration__istartswith=text.strip()))


def stations(found: QuerySet[Station], text: str) -> QuerySet[Station]:
    """By whole MMSI or, where no station has it, part of the name."""
    number = mmsi(text.strip())
    if number and found.filter(mmsi=number).exists():
        return found.filter(mmsi=number)
    return found.filter(_name(text))


def _name(text: str) -> Q:
    """Upper and lower case are one: AIS has capitals only, other feeds have not."""
    return Q(name__icontains=text.strip())
