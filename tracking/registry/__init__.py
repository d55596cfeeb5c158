"""What registers know of aircraft, beside what is heard of them.

    reading     files of several registers to entries
    storing     entries of one register to its rows, all or none
    lookup      what is known of some addresses, asked once for many and remembered
    countries   the country of an address, by ICAO's blocks
    silhouettes what an aircraft of a type looks like from above

Filled by `manage.py registry FILE…`. What is heard always goes before what a register says.
"""
