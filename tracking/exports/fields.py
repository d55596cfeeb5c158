"""What is exported of a position: its columns, with the units that headers show.

Enters a position model; leaves its Fields: whose it is, when, where, and every value that the API shows. Rows are
dictionaries of the model's columns, as `tracking/history/door.py` gives them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tracking.history.files.columns import columns_of, key_of, kind_of
from tracking.models import Position

Row = dict[str, Any]

UNITS = {
    "timestamp": "UTC",
    "received_at": "UTC",
    "latitude": "degrees north",
    "longitude": "degrees east",
    "score": "0 to 100",
    "vessel_id": "MMSI",
    "aircraft_id": "ICAO address",
    "speed": "knots",
    "course": "degrees",
    "heading": "degrees",
    "status": "ITU-R M.1371 code",
    "altitude": "feet",
    "ground_speed": "knots",
    "vertical_rate": "feet per minute",
}


@dataclass(frozen=True)
class ExportFields:
    """The columns of a model that are exported: `key` says whose a position is; `names` are all, that one first."""

    kind: str
    key: str
    names: tuple[str, ...]

    def heading(self, name: str) -> str:
        """The column's name with its unit, where it has one."""
        return f"{name} ({UNITS[name]})" if name in UNITS else name


def fields_of(model: type[Position]) -> ExportFields:
    """Those of the model: all columns but the number of the row."""
    key, time = key_of(model)[:2]
    rest = (column.name for column in columns_of(model) if column.name not in ("id", key, time))
    return ExportFields(kind_of(model), key, (key, time, *rest))
