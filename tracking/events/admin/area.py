"""The map on which a geofence is drawn: a form field whose text is GeoJSON.

What is drawn by the page's script (`static/events/draw.js`) is written into the text, and what is typed there is drawn.
"""

from __future__ import annotations

import json
from typing import Any

from django import forms
from django.forms import Script
from unfold.widgets import UnfoldAdminTextareaWidget

from tracking.events.models.rules import check_polygon


class AreaWidget(UnfoldAdminTextareaWidget):  # type: ignore[misc]  # unfold has no types
    """A text below a map."""

    template_name = "admin/tracking/geofence_area.html"

    def __init__(self, attrs: dict[str, Any] | None = None) -> None:
        super().__init__({"rows": 4, **(attrs or {})})

    class Media:
        css = {"all": ["map/vendor/maplibre-gl-6.17.0/maplibre-gl.css", "events/draw.css"]}
        js = [Script("events/draw.js", type="module")]


class AreaField(forms.JSONField):
    """A polygon, or several."""

    widget = AreaWidget
    default_error_messages = {"required": "Draw the area: click its corners on the map."}

    def __init__(self, **options: Any) -> None:
        super().__init__(validators=[check_polygon], **options)

    def prepare_value(self, value: Any) -> Any:
        """Short text: no escapes, no blanks."""
        if isinstance(value, dict | list):
            return json.dumps(value, separators=(",", ":"))
        return super().prepare_value(value)
