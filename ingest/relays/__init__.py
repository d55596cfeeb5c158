"""Relays: what was accepted goes out again, to programs and services that speak NMEA, Beast or SBS.

    stage `relayed` -> stream -> run: picking (wire, encoding) -> account -> outlets

`stream` carries batches from workers to relays, `run` is one relay in a thread, `runner` keeps the enabled ones
running. `picking` decides of each message whether it goes out, `wire` and `encoding` write it, `outlets` send it,
`account` counts it and keeps the place. `addresses` judges where a relay may send. `admin`, `sections` and `panel` show
them, by `standing`.
"""
