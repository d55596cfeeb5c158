"""The HTTP API below /api/: what is known and what is live, read-only, as JSON.

    urls         which address leads where
    views        identities, their latest position and their tracks, from PostgreSQL
    live         live targets in a box, from Redis alone: they serve on while PostgreSQL is away
    query        what may stand behind the question mark: boxes, instants, ranges
    filters      how the lists of identities are narrowed
    pagination   cursors that never count
    serializers  the shape of what leaves
    throttles    rates, which an unreachable cache suspends
    export_rate  the rate of exports
    changes      what changed of live state, in columns
    stream       the same as it comes
    errors       failures of servers as 503; the documented errors

Feeds have their API in `ingest/api.py`. Writing is not done here: positions get in by feeds.
"""
