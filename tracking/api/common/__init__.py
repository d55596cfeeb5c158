"""What all addresses below /api/ share.

query        what may stand behind the question mark: boxes, instants, ranges
pagination   cursors that never count
throttles    rates, which an unreachable cache suspends
errors       failures of servers as 503; the documented errors
documented   the same in the schema
compression  answers packed for who takes them
parsers      bodies that are read, and how much of them
"""
