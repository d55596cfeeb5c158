"""Events: what somebody wants to be told of. They are found, kept once, and sent once to whoever wants them.

    models       START HERE: events, geofences, watch-lists, targets of notifications and deliveries
    timings      for how long each kind must be absent to be over, and how long it is not told again
    rules        geofences and watch-lists as a process holds them: an index of polygons, sets of identities
    conditions   which conditions each target of a batch fulfils, all positions at once
    held         which conditions each target fulfilled before, in the live Redis; what begins and what ends
    watching     one batch through the three above, into PostgreSQL
    recording    events opened, gone on with and closed, each once

What one batch does not show is looked for at intervals:

    ships        live ships, of each the few values that this takes
    silence      ships that went dark, by their own rate of reports
    encounters   ships that will come close; a thread beside the feeds
    verdicts     disputes and spoofed areas, as `tracking/truth` judged them
    following    what began and ended, in order, for streams
    keeping      closes what is no longer heard of, and deletes what is too old

Rooms of their own: `notices` sends, `admin` and `api` show.

PostgreSQL alone decides what is new: its constraint refuses the same event twice. What Redis loses costs a look-up.
"""
