"""Positions and the identities that report them.

`upsert` writes batches of positions and states which of two reports wins, `identities` writes vessels, aircraft and
stations, `changes` is what these said of themselves before, `search` finds them, `mmsi` classifies identities at sea,
`bounds` is the one table of ranges, `codes` says types and statuses in words.
"""
