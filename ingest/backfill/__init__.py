"""Backfill: recordings into PostgreSQL by several processes, each batch once.

`run` is the whole, `reading` cuts files into batches, `crew` keeps the worker processes, `channel` talks to them,
`worker` stores, `sightings` are the identities that it gathers, `progress` shows how far it is.
"""
