"""Acceptance: from here on a batch is never lost. A batch enters, and has been queued or stored when the call returns.

`contract` states that. `queue` puts a batch on the queue, as a `package`, or on this host's disk while the queue is
away; `inline` runs it through the pipeline at once, and `live_thread` writes its live state beside. `places` clears the
places of recordings that the ledger has.
"""
