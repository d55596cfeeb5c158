"""Mode S and ADS-B frames, as AVR lines or as Beast bytes.

`beast` frames the bytes, `assembly` takes frames of both encodings, `airspace` keeps what frames of one aircraft say
together (`cpr` makes positions of pairs), `decoder` turns messages into reports.
"""
