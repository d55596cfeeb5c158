"""The live map at `/`: its page and its basemap.

`views` serves the page and the tiles of the basemap, `vendor` checks what was brought in from elsewhere. What the page
does is in `static/map/js`: `main` wires the others together. The data come from `/api/live/changes/`.
"""
