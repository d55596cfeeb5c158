"""The spool: this host's disk as the queue's stand-in while its Redis refuses.

`spool` appends, `file` is the format on disk, `drain` moves entries to the queue, `lease` lets one process do so.
"""
