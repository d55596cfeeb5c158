"""The live map at `/`: its page and its basemap.

`views` serves the page and the tiles of the basemap, `vendor` checks what was brought in from elsewhere. `target` tells
of one live target, `why` why one is not there, `feeds` how feeds are and where the map is blind (`blindness`), `reach`
how far they hear; what other apps tell for that comes by `offers`. What the page does is in `static/map/js`: `main`
wires the others together. The data come from `/api/live/changes/`.
"""
