"""Dead letters: messages that waiting cannot cure, until a retry or a person resolves them.

`dead_letters` retries and discards by the `handlers` of other apps, `failures` describes errors, `editing` mends
messages, `expiry` ends what is old, `selection`, `groups` and `exports` read many, `redrive` works through them,
`audit` says who did what. `api`, `job_api` and `serializers` are the API, `admin` the pages.
"""
