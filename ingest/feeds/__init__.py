"""Feeds: who reads which source, for how long, and how far.

`runner` follows the enabled feeds of the admin, each read by a `collector`, which takes bytes from a source to accepted
batches. `playback` keeps the speed of recordings, `sniffing` judges the format of a source by its first bytes,
`progress` shows people how far a long run is, `trial` tries a feed, `senders` has lines for its receivers, and
`connecting_admin` shows both.
"""
