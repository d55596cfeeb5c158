"""Live changes as Server-Sent Events, on an ASGI worker beside the web server.

`hub` reads live state once for all streams and has each take its turn, `places` bounds how many there are, `server` is
the process. The address itself, who may ask and what for, is `tracking/live_api/stream.py`.
"""
