"""The health of feeds over the last hour, in the queue's Redis.

`recorder` counts, `keys` names the keys, `histogram` keeps distributions, `reading` and `state` judge, `standing` says
what a source is doing, `alerts` and `webhook` announce changes, `history` tells how many messages came over time.
The room `shown` shows them.
"""
