"""Simulated coasts and skies: traffic and its receivers, from nothing but a seed and a clock.

What enters is a seed, a number of ships or aircraft and a time; what leaves is what receivers would pass on: AIVDM
sentences or SBS-1 lines with the moment each was sent, and who heard it. Nothing here sleeps, opens a socket or knows a
database; whoever reads `sim://` paces it.

Read in this order:
    simulation   START HERE: the due transmissions of a fleet, in order of time
    traffic      a room of its own: ships, aircraft and receivers
    emitters     ships and AIS, aircraft and SBS: what is sent, and by whom it is heard
    sentences    one report or static message as AIVDM sentences, tag blocks
    basestation  one report or callsign as SBS-1 lines
"""

from ingest.simulator.simulation import Simulation, Transmission
from ingest.simulator.traffic.options import SimulatorOptions, parse_url
from ingest.simulator.traffic.reception import Hearing, Reception, SimulatedReceiver

__all__ = ["Hearing", "Reception", "SimulatedReceiver", "Simulation", "SimulatorOptions", "Transmission", "parse_url"]
