"""The HTTP API below /api/: what is known, read-only, as JSON.

    urls         which address leads where
    views        identities, their latest position and their tracks, from PostgreSQL
    query        what may stand behind the question mark: boxes, instants, ranges
    filters      how the lists of identities are narrowed
    pagination   cursors that never count
    serializers  the shape of what leaves
    throttles    rates, which an unreachable cache suspends
    export_rate  the rate of exports
    changes      what changed of live state, in columns
    stream       the same as it comes
    errors       failures of servers as 503; the documented errors

Live state has its addresses in `tracking/live_api/`, history in `tracking/history_api/`, feeds in `ingest/api.py`.
Writing is not done here: positions get in by feeds.
"""
