"""The country of an aircraft's address, by the blocks that ICAO gave to states.

Enters an address; leaves an ISO 3166 code, empty where the block is nobody's or the address is not from ICAO. A block
is written as its first address, and the size of it is told by the heading: states have 1,024 to 1,048,576 addresses.
Source: ICAO Annex 10, volume III, table 9-1; the block of Hong Kong lies within China's.
"""

from __future__ import annotations

from bisect import bisect_right
from functools import lru_cache

_BLOCKS = {
    20: "100000 RU A00000 US",
    18: "300000 IT 340000 ES 380000 FR 3C0000 DE 400000 GB 780000 CN 7C0000 AU 800000 IN 840000 JP C00000 CA E00000 AR "
    "E40000 BR",
    15: "008000 ZA 010000 EG 018000 LY 020000 MA 028000 TN 0A0000 DZ 0D0000 MX 0D8000 VE 440000 AT 448000 BE 450000 BG "
    "458000 DK 460000 FI 468000 GR 470000 HU 478000 NO 480000 NL 488000 PL 490000 PT 498000 CZ 4A0000 RO 4A8000 SE "
    "4B0000 CH 4B8000 TR 4C0000 RS 508000 UA 710000 SA 718000 KR 720000 KP 728000 IQ 730000 IR 738000 IL 740000 JO "
    "748000 LB 750000 MY 758000 PH 760000 PK 768000 SG 770000 LK 778000 SY 880000 TH 888000 VN 8A0000 ID C80000 NZ",
    13: "0AC000 CO",
    12: "006000 MZ 032000 BI 034000 CM 036000 CG 038000 CI 03E000 GA 040000 ET 042000 GQ 044000 GH 046000 GN 04C000 KE "
    "050000 LR 054000 MG 058000 MW 05C000 ML 062000 NE 064000 NG 068000 UG 06A000 QA 06C000 CF 06E000 RW 070000 SN "
    "078000 SO 07C000 SD 080000 TZ 084000 TD 088000 TG 08A000 ZM 08C000 CD 090000 AO 09A000 GM 09C000 BF 0A8000 BS "
    "0AE000 CR 0B0000 CU 0B2000 SV 0B4000 GT 0B6000 GY 0B8000 HT 0BA000 HN 0BE000 JM 0C0000 NI 0C2000 PA 0C4000 DO "
    "0C6000 TT 0C8000 SR 4CA000 IE 4CC000 IS 700000 AF 702000 BD 704000 MM 706000 KW 708000 LA 70A000 NP 70E000 KH "
    "789000 HK 890000 YE 894000 BH 896000 AE 898000 PG C88000 FJ E80000 CL E84000 EC E88000 PY E8C000 PE E90000 UY "
    "E94000 BO",
    11: "004000 ZW 030000 BW 035000 KM 048000 GW 04A000 LS 05A000 MV 05E000 MR 060000 MU 074000 SC 076000 SL 07A000 SZ "
    "094000 BJ 096000 CV 098000 DJ 09E000 ST 0AA000 BB 0AB000 BZ 0BC000 VC 0CA000 AG 0CC000 GD 201000 NA 202000 ER "
    "4C8000 CY 4D0000 LU 4D2000 MT 4D4000 MC 500000 SM 501000 AL 501800 HR 502800 LV 503800 LT 504800 MD 505800 SK "
    "506800 SI 507800 UZ 510000 BY 511000 EE 512000 MK 513000 BA 514000 GE 515000 TJ 516000 ME 600000 AM 600800 AZ "
    "601000 KG 601800 TM 680000 BT 681000 FM 682000 MN 683000 KZ 684000 PW 70C000 OM 895000 BN 897000 SB 899000 TW "
    "900000 MH 901000 CK 902000 WS C8A000 NR C8C000 LC C8D000 TO C8E000 KI C90000 VU C91000 AD C92000 DM C93000 KN "
    "C94000 SS C95000 TL C97000 TV",
}


def _sorted() -> list[tuple[int, int, str]]:
    """First and last address and country of each block, in order."""
    found = []
    for bits, text in _BLOCKS.items():
        words = text.split()
        for start, country in zip(words[::2], words[1::2], strict=True):
            found.append((int(start, 16), int(start, 16) + (1 << bits) - 1, country))
    return sorted(found)


_RANGES = _sorted()
_STARTS = [start for start, _, _ in _RANGES]


@lru_cache(maxsize=65_536)
def country_of(icao: str) -> str:
    """The country of an address of six hex digits; empty for one with `~` in front, and for what is none."""
    if len(icao) != 6:
        return ""
    try:
        address = int(icao, 16)
    except ValueError:
        return ""
    place = bisect_right(_STARTS, address) - 1
    for _, end, country in reversed(_RANGES[max(0, place - 1) : place + 1]):  # a block may lie within the one before
        if address <= end:
            return country
    return ""
