"""The ledger: what became of every message, by batch.

`accounts` states the equations and reads the sums, `waiting` follows a run until its batches are done, `closed_days`
rolls old batches up, `reckoning` tells up to which time that may be done, `admin` and `panel` show the equations.
"""
