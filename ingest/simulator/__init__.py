"""Simulated coasts and skies: traffic and its receivers, from nothing but a seed and a clock.

What enters is a seed, a number of ships or aircraft and a time; what leaves is what receivers would pass on: AIVDM
sentences or SBS-1 lines with the moment each was sent, and who heard it. Nothing here sleeps, opens a socket or knows a
database; whoever reads `sim://` paces it.

Read in this order:
    options      sim://?ships=60&seed=7 and what may stand in it
    simulation   START HERE: the due transmissions of a fleet, in order of time
    emitters     ships and AIS, aircraft and SBS: what is sent, and by whom it is heard
    reception    receivers with ranges, clocks, losses and damaged lines, and what they counted
    ships        a fleet of ships, and where each of them is at any moment
    identities   names, flags, call signs, MMSI and IMO numbers that belong to nobody
    track        a course line drawn through waypoints: bends, distance, both directions
    lanes        the sea routes and anchorages themselves: data
    sentences    one report or static message as AIVDM sentences, tag blocks
    aircraft     a fleet of aircraft: addresses, callsigns, flights
    flights      climb, cruise and descent, and the way back
    airways      the great circle between two airports
    airports     the airports themselves: data
    basestation  one report or callsign as SBS-1 lines
"""

from ingest.simulator.options import SimulatorOptions, parse_url
from ingest.simulator.reception import Hearing, Reception, SimulatedReceiver
from ingest.simulator.simulation import Simulation, Transmission

__all__ = ["Hearing", "Reception", "SimulatedReceiver", "Simulation", "SimulatorOptions", "Transmission", "parse_url"]
