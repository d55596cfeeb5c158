"""What an aircraft looks like from above, by its type designator or, without one, by its emitter category.

Enters an ICAO type designator (Doc 8643) and a category of ADS-B; leaves one of SILHOUETTES, names that the map has
shapes for (`tracking/static/map/js/kinds.js`). A designator that no rule names is that of a jet: most are.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

SILHOUETTES: Final = ("jet", "heavy", "prop", "light", "heli", "glider")

# The first that matches wins.
_RULES = [
    (
        "heli",
        r"EC\d.|H(46|47|53|60|64|160|269|369|500)|R22|R44|R66|A1[0-6]9|A189|AS(3|5|6)\d|B0[56].?|B105|B2[123]2|B2[23]0"
        r"|B4[0-3]\d|B47.|B505|BK17|S(51|55|58|61|62|64|65|70|76|92).?|UH1.?|MI\d+|KA(2|3|5|6)\d|LYNX|NH90|PUMA|TIGR"
        r"|EXPL|EN(28|48)|G2CA|ALO[23]|GAZL|LAMA|HUCO|COBR|EH10|MD52|MD60|DRAG|RVAL|CH7.|ULHE",
    ),
    ("glider", r"GLID|AS(2\d|[HKW]\d*)|DG\d.*|DISC|DUOD|JANU|LS\d.*|NIMB|VENT|ARCU|VENL|PEGA|STAN|CIRR|BALL|SHIP|PARA"),
    (
        "heavy",
        r"A30[6B]|A310|A3[3458]\d|A35K|A3ST|A337|B74.|BLCF|B76.|B77.|B78.|MD11|DC10|L101|IL(76|86|96)|A124|A225|C5.?|C17"
        r"|C141|B52|E3..|K35.|KC2",
    ),
    (
        "prop",
        r"AT[47]\d|AT7.|DH8.|DHC[4567].?|SF34|SB20|F50|F60|F27|E110|E120|E121|D228|D328|JS[34]\d|B190|BE(20|30|9.|10|99)"
        r"|B350|C130|C30J|C160|A400|P180|SW[234].?|L410|AN(8|12|22|24|26|28|30|32|38|70|72)|Y12|C27J|CN35|C295|IL18|IL38"
        r"|P3|E2|C2|V22|PC12|PC6T|TBM\d?|C208|C212|C425|C441|P46T|M600|SH33|SH36|A748|ATP|HS74|CVLT|L188|MU2|AC(90|95)"
        r"|TEX2|PC[79]|PC21|TUCA|EPIC|K100|AT8T|AT5T|AT6T",
    ),
    (
        "light",
        r"C1[4-9]\d|C20[5-7]|C21\d|C240|C30\d|C3[1-4]\d|C40[1-4]|C41[14]|C42[01]|C72R|C77R|C82.|CUB.|P28.|P32.|PA\d.|P46."
        r"|P68.?|SR20|SR22|S22T|DA[2-6]\d|DV20|DR\d\d|BE(1[789]|2[34]|3[3-6]|5\d|6[05]|7[67]|80)|B36T|BL8|M20.|M7|AA\dA?"
        r"|AA5|RV\d*|TB\d\d|TAMP|TOBA|TRIN|RALL|G115|G109|Z42|Z43|P06T|P208|P210|EUFO|CRUZ|SIRA|BR23|WT9|FDCT|CTLS|J3|PIVI"
        r"|ULAC|GYRO|AP22|LA4|C10T|COL[34]|EVSS|JAB.|KODI|MAUL|NAVI|PTS.|EXTR?|E300|YK52|YK18|SAVG|SIRG|VIPR|AUS\d|CH[678]\d",
    ),
]
_PATTERNS = [(name, re.compile(pattern)) for name, pattern in _RULES]
_CATEGORIES = {"A1": "light", "A5": "heavy", "A7": "heli", "B1": "glider", "B2": "glider", "B4": "light"}


@lru_cache(maxsize=8192)
def silhouette_of(type_code: str, category: str = "") -> str:
    """One of SILHOUETTES; empty where neither says anything."""
    if type_code:
        return next((name for name, pattern in _PATTERNS if pattern.fullmatch(type_code)), "jet")
    return _CATEGORIES.get(category, "jet" if category[:1] == "A" and category != "A0" else "")
