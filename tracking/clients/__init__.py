"""Web clients of others: live state in the documents that their pages and programs already read.

`readsb` writes aircraft.json and receiver.json, `traces` the track files beside them, `adsbx` answers the routes of
ADSBx v2, `ships` writes AIS-catcher's list, `signalk` the model of Signal K. `values` asks what of a live document is
fresh. `views` and `urls` serve them, as public as live state is.
"""
