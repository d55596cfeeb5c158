"""The pages of events in the admin.

events    what happened, and what became of each notification
rules     geofences and watch-lists
targets   who is told; an address is entered once and never shown
area      the map on which a geofence is drawn
"""
