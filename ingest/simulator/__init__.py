"""A simulated coast: ships that sail real sea routes and transmit AIS, from nothing but a seed and a clock.

What enters is a seed, a number of ships and a time; what leaves is what a receiver would hear: AIVDM sentences with the
moment each was received. Nothing here sleeps, opens a socket or knows a database; whoever reads `sim://` paces it.

Read in this order:
    options      sim://?ships=60&seed=7 and what may stand in it
    simulation   START HERE: the due transmissions of a fleet, in order of time
    ships        a fleet, and where each of its ships is at any moment
    identities   names, flags, call signs, MMSI and IMO numbers that belong to nobody
    track        a course line drawn through waypoints: bends, distance, both directions
    lanes        the sea routes and anchorages themselves: data
    sentences    one report or static message as AIVDM sentences
"""

from ingest.simulator.options import SimulatorOptions, parse_url
from ingest.simulator.simulation import Simulation, Transmission

__all__ = ["Simulation", "SimulatorOptions", "Transmission", "parse_url"]
