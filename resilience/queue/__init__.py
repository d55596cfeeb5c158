"""The queue: django-q2's broker on Redis streams, where nothing is lost between a put and its end.

`streams` holds the commands, `broker` is what django-q2 uses, `sentinel` keeps its workers alive, `admission` and
`resubmission` decide when and where a task runs, `spent` ends what no worker survives, `schedules` queues what is due;
`parked_admin` shows what was put aside.
"""
