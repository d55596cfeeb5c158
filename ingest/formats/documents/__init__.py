"""Aircraft as JSON documents: readsb's `aircraft.json` and traces, OpenSky's states.

`assemblies` splits documents into one message an aircraft; each family has its decoder.
"""
