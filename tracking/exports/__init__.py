"""Positions in the formats of others: `formats` is the list of them, each a function of rows to pieces of bytes.

text    CSV, NDJSON, GeoJSON        tracks  GPX, KML        columnar  Parquet
fields  what is exported, units     http    the choice by a request, and its answer
"""
