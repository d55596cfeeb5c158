"""The stages of the pipeline, one module each, in the order of `ingest.pipeline`.

`decode` turns messages into reports, `judge` refuses what other messages contradict, `fusion` folds the reports of a
batch into one row an identity and second, `store` writes rows and ledger, `live` writes live documents.
"""
