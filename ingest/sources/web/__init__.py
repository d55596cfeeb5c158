"""Sources on the web: documents that are polled, answers without an end, and the websocket of aisstream.io.

`exchange` is one request within bounds, `pacing` says how fast a provider may be asked, `oauth` has the tokens.
"""
