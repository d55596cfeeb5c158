"""Tracks in GPX, each named for its vessel or aircraft: `assembly` finds the points, `decoder` reads them."""
