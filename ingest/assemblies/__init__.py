"""Bytes of one feed to self-contained messages, a module a format; the contract is `ingest.formats.Assembly`.

`lines.py` is what the formats of lines share; `nmea.py` wraps the assembly of AIS sentences (`ingest/assembly.py`).
"""
