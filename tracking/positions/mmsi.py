"""What the nine digits of an MMSI say: what kind of station it is, and whose flag.

Enters an MMSI as int; leaves its kind and its country. Nothing is checked against a register.
Source: ITU-R M.585-9; maritime identification digits (MID) 201 to 775 as pyais lists them.
"""

from functools import lru_cache

from django.db import models


class MmsiForm(models.TextChoices):
    """The form of an MMSI, written with nine digits."""

    SHIP = "ship", "ship"
    GROUP = "group", "group of ships"
    COAST = "coast", "coast station"
    SAR_AIRCRAFT = "sar_aircraft", "search and rescue aircraft"
    HANDHELD = "handheld", "handheld radio or diver"
    AUXILIARY = "auxiliary", "craft of a mother ship"
    AID = "aid", "aid to navigation"
    SART = "sart", "search and rescue transmitter"
    MOB = "mob", "man overboard device"
    EPIRB = "epirb", "EPIRB"
    UNKNOWN = "unknown", "unknown form"


# Digits in front, the kind they mean, and whether the country digits (MID) follow. The first match wins.
_FORMS = (
    ("00", MmsiForm.COAST, True),
    ("0", MmsiForm.GROUP, True),
    ("111", MmsiForm.SAR_AIRCRAFT, True),
    ("970", MmsiForm.SART, False),
    ("972", MmsiForm.MOB, False),
    ("974", MmsiForm.EPIRB, False),
    ("98", MmsiForm.AUXILIARY, True),
    ("99", MmsiForm.AID, True),
    ("8", MmsiForm.HANDHELD, True),
    ("", MmsiForm.SHIP, True),
)


@lru_cache(maxsize=1 << 17)  # every vessel on the air, asked again with each of its batches
def classify(mmsi: int) -> tuple[MmsiForm, str]:
    """The kind of station and its ISO 3166 country ("" where the number names none).

    Numbers whose identification digits belong to no country are of unknown form: they are accepted as they are,
    because fabricated and truncated ones are common on the air.
    """
    digits = f"{mmsi:09d}"
    for front, kind, has_mid in _FORMS:
        if not digits.startswith(front):
            continue
        if not has_mid:
            return kind, ""
        country = _countries().get(int(digits[len(front) : len(front) + 3]))
        return (kind, country[0]) if country else (MmsiForm.UNKNOWN, "")
    raise AssertionError("the empty front matches every number")


@lru_cache(maxsize=1)
def _countries() -> dict[int, tuple[str, str]]:
    """ISO 3166 code and name by identification digits. Imported when first asked: pyais builds all its messages."""
    from pyais.constants import COUNTRY_MAPPING

    return COUNTRY_MAPPING
