"""Acceptance: from here on a batch is never lost. A batch enters, and has been queued or stored when the call returns.

`queue` puts it on the queue, or on this host's disk while the queue is away, or runs it through the pipeline at once;
`live_thread` writes live state beside such a run, `places` remembers up to where recordings were accepted.
"""
