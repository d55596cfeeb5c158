"""Positions over time, in PostgreSQL and in the archive.

partitions  makes and drops days            retention  says which are too old
archive     closed days to Parquet          restore    a day back            archiver  runs both, hourly
days        a day between the two           columns    what is archived      wire      rows as bytes and columns
files       Parquet, written and read       storage    where the files lie
tracks      the line of one identity, thinned for reading
panel       bytes a day, for the desk
"""
