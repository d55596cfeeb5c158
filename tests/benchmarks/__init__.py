"""`make bench`: how fast the parts are, and whether what they wrote is right.

    __main__    the command: which benchmarks, on which servers, table and JSON
    frame       START HERE: a benchmark, its figures and targets, the registry, the table
    measuring   rounds of A B A B, CPU of processes and of PostgreSQL
    servers     embedded servers of a benchmark run's own      machine     what it was measured on
    recording   the recorded or simulated AIS traffic that goes in

A benchmark is a function in a module of its own, registered with `@benchmark` and named in `__main__.MODULES`.
"""
