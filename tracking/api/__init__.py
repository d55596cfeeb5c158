"""The HTTP API below /api/: what is known, read-only, as JSON.

    urls         which address leads where
    views        identities, their latest position and their tracks, from PostgreSQL
    filters      how the lists of identities are narrowed
    serializers  the shape of what leaves
    export_rate  the rate of exports
    disputes     two targets under one identity
    schema       the schema and its page
    common       a room of its own: what all addresses share

Live state has its addresses in `tracking/live_api/`, history in `tracking/history_api/`, feeds in `ingest/api.py`.
Writing is not done here: positions get in by feeds.
"""
