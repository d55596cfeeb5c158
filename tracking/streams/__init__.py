"""Live changes and events as Server-Sent Events, on an ASGI worker beside the web server.

`hub` reads live state, and the events, once for all their streams and has each take its turn, `places` bounds how many
there are, `server` is the process, `views` what the addresses have in common: `tracking/live_api/stream.py` and
`tracking/events/api/stream.py`, which say who may ask and what for.
"""
