"""The admin's colours, from those of the map (`tracking/static/map/map.css`): a palette for unfold, dark and light.

`BASE` runs from paper to the night sea, `PRIMARY` is the map's accent. A test holds both to the map's.
"""

BASE = {
    "50": "#f8fafc",
    "100": "#eff4f8",
    "200": "#d5dfe8",
    "300": "#c9d5e4",
    "400": "#8fa0b5",
    "500": "#5b6b80",
    "600": "#46566c",
    "700": "#33435a",
    "800": "#24344a",
    "900": "#0a121d",
    "950": "#060b12",
}
PRIMARY = {
    "50": "#f0f9ff",
    "100": "#e0f2fe",
    "200": "#bae6fd",
    "300": "#7dd3fc",
    "400": "#5ec8fa",
    "500": "#38bdf8",
    "600": "#0369a1",
    "700": "#075985",
    "800": "#0c4a6e",
    "900": "#0a3d5c",
    "950": "#082f49",
}
