"""Live state over HTTP, from Redis alone: it serves on while PostgreSQL is away.

live     the live targets of one kind in a box
changes  what changed since a cursor, for maps that poll
stream   the same as Server-Sent Events (served by `tracking/streams/`)
shared   answers that are encoded once for all who ask within a second
urls     which address leads where
"""
