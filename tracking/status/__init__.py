"""How everything is: `/status`, `/metrics` and the probes of `/health/`.

`sections` is the contract by which apps offer questions, `survey` asks them all within a bounded time, `inquiry` puts
one, `page`, `metrics` and `probes` answer, `networks` says who may see details.
"""
