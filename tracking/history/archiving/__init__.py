"""Closed days into the archive and back, killed at any point.

archiver  START HERE: what is due, one day after the other
archive   one day: written, read back, compared, recorded, and only then dropped
restore   a day back to PostgreSQL
standing  how the archive does, for `/status`
"""
