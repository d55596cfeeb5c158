"""What there is at sea and in the air at any moment, and who hears it.

options      sim://?ships=60&seed=7 and what may stand in it
reception    receivers with ranges, clocks, losses and damaged lines, and what they counted
ships        a fleet of ships, and where each of them is at any moment
identities   names, flags, call signs, MMSI and IMO numbers that belong to nobody
track        a course line drawn through waypoints: bends, distance, both directions
lanes        the sea routes and anchorages themselves: data
aircraft     a fleet of aircraft: addresses, callsigns, flights
flights      climb, cruise and descent, and the way back
airways      the great circle between two airports
airports     the airports themselves: data
"""
