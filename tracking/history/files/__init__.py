"""Days of positions as Parquet files, wherever they lie.

columns  what is archived of a row, with its units
wire     rows as PostgreSQL sends them, and as columns; lossless
parquet  a file written and read, and the hash of its rows
storage  the directory or the bucket in which files lie
"""
