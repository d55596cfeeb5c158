"""The stages of the pipeline, one module each; `ingest.pipeline` lists them in their order.

A stage takes a `Work` (`work`): a batch, and what earlier stages found. There are three kinds.

Prepared (`decode`, `judge`, `echoes`, `fusion`): no clock and no memory; the same batch gives the same result on any
host. It may refuse single messages, counted under a reason. Whatever it raises keeps the whole batch. `echoes` alone
asks a server, the live Redis, for what other batches said: behind a breaker, with the same answer when asked again, and
without one the reports stay as they are.

Booked (`partitions`, and `storing`, a room of its own): runs behind the breaker "database" and may block up to
DATABASE_DEADLINE_SECONDS. It may be run twice for one batch and must then change nothing. What it raises says that
nothing of the batch was booked.

Derived (`live`, `watch`, `relayed`): runs after the commit, for live batches, behind breakers of its own. It raises
nothing: what it could not write it marks as missed, for others to make up for or to count, or finds again in the next
batch.
"""
