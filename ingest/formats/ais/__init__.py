"""AIS as NMEA sentences, with or without tag blocks, and AIS-catcher's JSON.

Bytes become sentences (`sentence`, many at once in `sentence_columns`), sentences become messages (`assembler`, behind
`assembly` and `aiscatcher`), payloads become reports (`decoder`, many at once in `columns`; `bits` reads the armour,
`static` the types that describe a ship).
"""
