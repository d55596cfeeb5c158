"""A finer coast: `gshhg` reads its polygons, `cutting` cuts them into tiles, `building` writes the basemap."""
