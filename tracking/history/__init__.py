"""Positions over time, in PostgreSQL and in the archive.

    door        START HERE: what is asked of past and present as one
    engine      the questions to the archive's files
    tracks      the line of one identity, thinned for reading
    replay      an hour of the world as one film
    partitions  makes and drops days            retention  says which are too old
    days        a day between PostgreSQL and the archive
    panel       bytes a day, for the desk

Rooms of their own: `files`, a day as a Parquet file; `archiving`, days in and out.
"""
